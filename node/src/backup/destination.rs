//! Where backups are kept: a folder (a mounted volume), or a bucket of anything that speaks S3.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore as _, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};
use tokio::fs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Bytes that are read, and sent, at once; S3 wants parts of 5 MiB at least.
const PIECE_BYTES: usize = 8 << 20;
/// Parts of a file that are on their way at once.
const PARTS_AT_ONCE: usize = 2;

/// A place for backups. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and what the names in it begin with.
    Bucket {
        /// The bucket.
        store: Arc<AmazonS3>,
        /// Empty, or names with `/` between.
        prefix: String,
    },
}

/// Why a place cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// Not a URL of a place.
    #[error("{url:?} is no place for backups: {detail}. Give file:///FOLDER or s3://BUCKET/PREFIX")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error("failed to {step} {}: {source}", path.display())]
    File {
        /// What was attempted.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The bucket refuses, or is not there.
    #[error("failed to {step} {place} in the bucket: {source}")]
    Bucket {
        /// What was attempted.
        step: &'static str,
        /// The object.
        place: String,
        /// What the store says.
        #[source]
        source: object_store::Error,
    },
}

fn file(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DestinationError {
    move |source| DestinationError::File {
        step,
        path: path.to_owned(),
        source,
    }
}

fn object(step: &'static str, place: &str) -> impl FnOnce(object_store::Error) -> DestinationError {
    move |source| DestinationError::Bucket {
        step,
        place: place.to_owned(),
        source,
    }
}

impl Destination {
    /// The place that `url` names. Credentials, region and endpoint of a bucket come from the environment: `AWS_ENDPOINT`,
    /// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, or from what the cloud gives a pod.
    ///
    /// # Errors
    /// If the URL names no place, or the environment contradicts itself.
    pub fn parse(url: &str) -> Result<Self, DestinationError> {
        let refused = |detail: &str| DestinationError::Url {
            url: url.to_owned(),
            detail: detail.to_owned(),
        };
        if let Some(folder) = url.strip_prefix("file://") {
            return if folder.starts_with('/') {
                Ok(Self::Folder(PathBuf::from(folder)))
            } else {
                Err(refused("the path of a folder begins with /"))
            };
        }
        let Some(rest) = url.strip_prefix("s3://") else {
            return Err(refused("the scheme is neither file nor s3"));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(refused("the bucket is missing"));
        }
        // The client takes the one of the process; a second call changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let built = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        Ok(Self::Bucket {
            store: Arc::new(built.map_err(|error| refused(&error.to_string()))?),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }

    fn object_path(prefix: &str, place: &str) -> ObjectPath {
        let parts = prefix.split('/').chain(place.split('/'));
        parts.filter(|part| !part.is_empty()).collect()
    }

    /// Stores a small file.
    pub(super) async fn put(&self, place: &str, bytes: &[u8]) -> Result<(), DestinationError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                let mut aside = path.clone();
                aside.set_extension("tmp");
                let parent = make_parent(&path).await?;
                let mut written = fs::File::create(&aside).await.map_err(file("create", &aside))?;
                written.write_all(bytes).await.map_err(file("write", &aside))?;
                written.sync_all().await.map_err(file("sync", &aside))?;
                fs::rename(&aside, &path).await.map_err(file("rename", &aside))?;
                sync_folder(&parent).await
            }
            Self::Bucket { store, prefix } => {
                let payload = bytes.to_vec().into();
                let stored = store.put(&Self::object_path(prefix, place), payload).await;
                stored.map(drop).map_err(object("write", place))
            }
        }
    }

    /// Stores the file at `from`; its bytes and SHA-256.
    pub(super) async fn put_file(&self, place: &str, from: &Path) -> Result<(u64, String), DestinationError> {
        let mut source = fs::File::open(from).await.map_err(file("open", from))?;
        let mut read = Read::default();
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                let parent = make_parent(&path).await?;
                let mut written = fs::File::create(&path).await.map_err(file("create", &path))?;
                while let Some(piece) = read.next(&mut source, from).await? {
                    written.write_all(&piece).await.map_err(file("write", &path))?;
                }
                written.sync_all().await.map_err(file("sync", &path))?;
                sync_folder(&parent).await?;
            }
            Self::Bucket { store, prefix } => {
                let to = Self::object_path(prefix, place);
                let first = read.next(&mut source, from).await?.unwrap_or_default();
                if first.len() < PIECE_BYTES {
                    store.put(&to, first.into()).await.map_err(object("write", place))?;
                } else {
                    let upload = store.put_multipart(&to).await.map_err(object("write", place))?;
                    let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES);
                    upload.write(&first);
                    let sent = send_rest(&mut upload, &mut read, (&mut source, from), place).await;
                    if let Err(error) = sent {
                        // The store would keep the parts, and somebody would pay for them.
                        drop(upload.abort().await);
                        return Err(error);
                    }
                    upload.finish().await.map_err(object("write", place))?;
                }
            }
        }
        Ok((read.bytes, read.sha256()))
    }

    /// A small file; none if it is not there.
    pub(super) async fn get(&self, place: &str) -> Result<Option<Vec<u8>>, DestinationError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                match fs::read(&path).await {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(file("read", &path)(error)),
                }
            }
            Self::Bucket { store, prefix } => match store.get(&Self::object_path(prefix, place)).await {
                Ok(found) => {
                    let bytes = found.bytes().await.map_err(object("read", place))?;
                    Ok(Some(bytes.to_vec()))
                }
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(object("read", place)(error)),
            },
        }
    }

    /// Brings a file to `to`; its SHA-256.
    pub(super) async fn get_file(&self, place: &str, to: &Path) -> Result<String, DestinationError> {
        make_parent(to).await?;
        let mut written = fs::File::create(to).await.map_err(file("create", to))?;
        let mut read = Read::default();
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                let mut source = fs::File::open(&path).await.map_err(file("open", &path))?;
                while let Some(piece) = read.next(&mut source, &path).await? {
                    written.write_all(&piece).await.map_err(file("write", to))?;
                }
            }
            Self::Bucket { store, prefix } => {
                let found = store.get(&Self::object_path(prefix, place)).await;
                let mut pieces = found.map_err(object("read", place))?.into_stream();
                while let Some(piece) = pieces.try_next().await.map_err(object("read", place))? {
                    read.add(&piece);
                    written.write_all(&piece).await.map_err(file("write", to))?;
                }
            }
        }
        written.sync_all().await.map_err(file("sync", to))?;
        Ok(read.sha256())
    }

    /// Names of the folders in `place`, in order.
    pub(super) async fn folders(&self, place: &str) -> Result<Vec<String>, DestinationError> {
        let mut found = Vec::new();
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                let mut entries = match fs::read_dir(&path).await {
                    Ok(entries) => entries,
                    // Nothing was stored yet.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
                    Err(error) => return Err(file("list", &path)(error)),
                };
                while let Some(entry) = entries.next_entry().await.map_err(file("list", &path))? {
                    if entry.file_type().await.map_err(file("list", &path))?.is_dir() {
                        found.push(entry.file_name().to_string_lossy().into_owned());
                    }
                }
            }
            Self::Bucket { store, prefix } => {
                let listed = store.list_with_delimiter(Some(&Self::object_path(prefix, place))).await;
                let prefixes = listed.map_err(object("list", place))?.common_prefixes;
                found.extend(prefixes.iter().filter_map(|path| path.filename()).map(str::to_owned));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Removes a file; one that is not there is gone already.
    pub(super) async fn delete(&self, place: &str) -> Result<(), DestinationError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                match fs::remove_file(&path).await {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", &path)(error)),
                    Ok(()) | Err(_) => Ok(()),
                }
            }
            Self::Bucket { store, prefix } => match store.delete(&Self::object_path(prefix, place)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(object("remove", place)(error)),
            },
        }
    }

    /// Removes a folder and whatever is in it.
    pub(super) async fn delete_folder(&self, place: &str) -> Result<(), DestinationError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(place);
                match fs::remove_dir_all(&path).await {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", &path)(error)),
                    Ok(()) | Err(_) => Ok(()),
                }
            }
            Self::Bucket { store, prefix } => {
                let folder = Self::object_path(prefix, place);
                let mut left = store.list(Some(&folder));
                while let Some(found) = left.try_next().await.map_err(object("list", place))? {
                    store.delete(&found.location).await.map_err(object("remove", place))?;
                }
                Ok(())
            }
        }
    }
}

/// Sends what comes after the first part.
async fn send_rest(
    upload: &mut WriteMultipart,
    read: &mut Read,
    (source, from): (&mut fs::File, &Path),
    place: &str,
) -> Result<(), DestinationError> {
    while let Some(piece) = read.next(source, from).await? {
        let room = upload.wait_for_capacity(PARTS_AT_ONCE).await;
        room.map_err(object("write", place))?;
        upload.write(&piece);
    }
    Ok(())
}

/// A file as it is read.
#[derive(Default)]
struct Read {
    bytes: u64,
    hash: Sha256,
}

impl Read {
    /// The next piece: a whole one, but for the last.
    async fn next(&mut self, source: &mut fs::File, path: &Path) -> Result<Option<Vec<u8>>, DestinationError> {
        let mut piece = Vec::new();
        let limited = source.take(PIECE_BYTES as u64).read_to_end(&mut piece).await;
        limited.map_err(file("read", path))?;
        self.add(&piece);
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.hash.update(piece);
    }

    fn sha256(self) -> String {
        confman_core::digest::Digest::from_bytes(self.hash.finalize().into())
            .to_string()
            .trim_start_matches("sha256:")
            .to_owned()
    }
}

async fn make_parent(path: &Path) -> Result<PathBuf, DestinationError> {
    let parent = path.parent().unwrap_or(path).to_owned();
    fs::create_dir_all(&parent).await.map_err(file("create", &parent))?;
    Ok(parent)
}

async fn sync_folder(path: &Path) -> Result<(), DestinationError> {
    let opened = fs::File::open(path).await.map_err(file("open", path))?;
    opened.sync_all().await.map_err(file("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_and_buckets_are_places() {
        let refused = |url| {
            let error = Destination::parse(url).expect_err("it is refused");
            error.to_string()
        };
        assert!(refused("file://backups").contains("begins with /"));
        assert!(refused("https://example.org").contains("neither file nor s3"));
        assert!(refused("s3:///prefix").contains("bucket is missing"));
        assert!(
            matches!(Destination::parse("file:///backups"), Ok(Destination::Folder(folder)) if folder == Path::new("/backups"))
        );
    }
}
