//! Values in the forms that programs take as they are: text, bytes, YAML, environment files, Java properties.

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, NamespacePath};
use reqwest::header::{CONTENT_TYPE, ETAG};

use super::value_path;
use crate::client::public::{header, optional, path};
use crate::client::transport::{Effect, read_bytes, read_text};
use crate::client::{Client, ClientError};
use crate::reading::{Representation, ViewRepresentation};

/// Header with the number of the version.
const VERSION: &str = "confman-version";

/// A value as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Represented {
    /// Media type, with its parameters.
    pub media_type: String,
    /// All of the answer.
    pub bytes: Vec<u8>,
    /// Number of the version.
    pub version: u64,
    /// Digest of the value.
    pub digest: Digest,
}

impl Client {
    /// The live value of a key in one of its forms; none when there is none (or it may not be seen). Bytes have no form as
    /// text: that is refused with 406.
    pub async fn represented_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        form: Representation,
    ) -> Result<Option<Represented>, ClientError> {
        self.represented(value_path(namespace, key), form).await
    }

    /// Likewise, as the namespace sees it.
    pub async fn represented_effective_value(
        &self,
        namespace: &NamespacePath,
        key: &ConfigKey,
        form: Representation,
    ) -> Result<Option<Represented>, ClientError> {
        self.represented(format!("/api/v1/effective{}", namespace.join(key)), form)
            .await
    }

    /// What a namespace sees, as a file of text. Other forms than JSON come whole, or not at all beyond the limits `view` and
    /// `view-bytes` (406); JSON is the first page.
    pub async fn effective_file(
        &self,
        namespace: &NamespacePath,
        form: ViewRepresentation,
    ) -> Result<String, ClientError> {
        let mut call = self.call(self.fresh().behind(&path("effective", namespace)));
        call.headers.push(("accept", form.media_type().to_owned()));
        read_text(self.transport.send(&call).await?, Effect::Read).await
    }

    async fn represented(&self, path: String, form: Representation) -> Result<Option<Represented>, ClientError> {
        let mut call = self.call(self.fresh().behind(&path));
        call.headers.push(("accept", form.media_type().to_owned()));
        let Some(response) = optional(self.transport.send(&call).await)? else {
            return Ok(None);
        };
        let media_type = header(&response, CONTENT_TYPE.as_str(), |text| Some(text.to_owned()))?;
        let version = header(&response, VERSION, |number| number.parse().ok())?;
        let unquoted = |tag: &str| Digest::parse(tag.strip_prefix('"')?.strip_suffix('"')?).ok();
        let digest = header(&response, ETAG.as_str(), unquoted)?;
        Ok(Some(Represented {
            media_type,
            bytes: read_bytes(response, Effect::Read).await?,
            version,
            digest,
        }))
    }
}
