//! The file of a target's secrets, and the signature of Standard Webhooks 1.0 made with them.
//!
//! ```text
//! namespace: /teams/payments
//! whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr
//! token: T0001/B0001/XXXXXXXX
//! ```
//! `namespace` is required: the secret serves targets of that namespace and those below, so that nobody can have
//! messages signed with the secret of another team. Up to four `whsec_` lines sign, each on its own, so that a receiver
//! can change from one to the next. `token` stands for `{secret}` in the URL.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confman_core::ids::NamespacePath;
use confman_core::webhook::SecretSource;
use ring::hmac;
use tokio::io::AsyncReadExt as _;

/// Longest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 4096;
/// Most keys that sign at once.
pub const MAX_KEYS: usize = 4;
/// Sizes of a key in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Longest token in bytes.
const MAX_TOKEN_BYTES: usize = 1024;

/// Why a secret cannot be used. Never repeats what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No folder of secrets is set.
    #[error("no folder of webhook secrets is set")]
    NoFolder,
    /// The file is missing or cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] std::io::Error),
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("the file has more than {MAX_FILE_BYTES} bytes")]
    TooLong,
    /// Not of the form above.
    #[error("line {line}: {detail}")]
    Line {
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        detail: &'static str,
    },
    /// No line `namespace: …`.
    #[error("there is no line \"namespace: …\"")]
    NoNamespace,
    /// It is for another namespace.
    #[error("the secret is for another namespace")]
    OtherNamespace,
    /// Nothing to sign with.
    #[error("there is no line \"whsec_…\" to sign with")]
    NoKey,
    /// The URL wants a token.
    #[error("the url has {{secret}}, and there is no line \"token: …\"")]
    NoToken,
}

/// What a secret file holds. Has no `Debug`, so that it cannot be logged.
pub struct Secrets {
    namespace: NamespacePath,
    keys: Vec<hmac::Key>,
    token: Option<String>,
}

impl Secrets {
    /// Reads the file `source` of `folder`, anew for each attempt, so that a changed secret counts at once.
    ///
    /// # Errors
    /// [`SecretError`]; a file that is for another namespace than `namespace` or one above it is refused too.
    pub async fn load(
        folder: Option<&Path>,
        source: &SecretSource,
        namespace: &NamespacePath,
    ) -> Result<Self, SecretError> {
        let path = folder.ok_or(SecretError::NoFolder)?.join(source.as_str());
        let file = tokio::fs::File::open(path).await?;
        let mut text = String::new();
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).await?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(SecretError::TooLong);
        }
        let secrets = Self::parse(&text)?;
        if *namespace == secrets.namespace || namespace.is_below(&secrets.namespace) {
            Ok(secrets)
        } else {
            Err(SecretError::OtherNamespace)
        }
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// [`SecretError::Line`] and [`SecretError::NoNamespace`].
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let (mut namespace, mut keys, mut token) = (None, Vec::new(), None);
        for (index, line) in text.lines().map(str::trim).enumerate() {
            let refused = |detail| SecretError::Line {
                line: index + 1,
                detail,
            };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(path) = line.strip_prefix("namespace:") {
                let path = NamespacePath::parse(path.trim()).map_err(|_| refused("this is no namespace path"))?;
                if namespace.replace(path).is_some() {
                    return Err(refused("a second namespace"));
                }
            } else if let Some(given) = line.strip_prefix("token:") {
                let given = check_token(given.trim()).ok_or_else(|| refused("not what may stand in a url"))?;
                if token.replace(given).is_some() {
                    return Err(refused("a second token"));
                }
            } else if let Some(key) = line.strip_prefix("whsec_") {
                let key = STANDARD
                    .decode(key)
                    .map_err(|_| refused("whsec_ is not followed by base64"))?;
                if !KEY_BYTES.contains(&key.len()) {
                    return Err(refused("a key has 24 to 64 bytes"));
                }
                if keys.len() == MAX_KEYS {
                    return Err(refused("more than four keys"));
                }
                keys.push(hmac::Key::new(hmac::HMAC_SHA256, &key));
            } else {
                return Err(refused("expected namespace:, token: or whsec_"));
            }
        }
        Ok(Self {
            namespace: namespace.ok_or(SecretError::NoNamespace)?,
            keys,
            token,
        })
    }

    /// True if there is a key to sign with.
    pub fn can_sign(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What stands for `{secret}` in a URL.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The header `webhook-signature`: one `v1,BASE64` for each key, with spaces between; empty without keys.
    pub fn signature(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let mut signed = format!("{id}.{timestamp_s}.").into_bytes();
        signed.extend_from_slice(body);
        let signatures = self.keys.iter().map(|key| {
            let tag = hmac::sign(key, &signed);
            format!("v1,{}", STANDARD.encode(tag.as_ref()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

/// What may stand in a path or query, so that a token cannot make another URL of it than the one that was declared.
fn check_token(text: &str) -> Option<String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%".contains(&byte);
    let has_dots = text.split(['/', '?']).any(|segment| matches!(segment, "." | ".."));
    let fits = (1..=MAX_TOKEN_BYTES).contains(&text.len());
    (fits && text.bytes().all(is_fine) && !has_dots).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secrets = Secrets::parse("namespace: /\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("it is valid");
        let body = br#"{"test": 2432232314}"#;
        let signature = secrets.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_key_signs_on_its_own() {
        let one = |line: &str| Secrets::parse(&format!("namespace: /\n{line}")).expect("it is valid");
        let (old, new) = (
            format!("whsec_{}", STANDARD.encode([7; 24])),
            format!("whsec_{}", STANDARD.encode([8; 64])),
        );
        let both = one(&format!("{new}\n{old}")).signature("msg_1", 5, b"{}");
        let apart = [one(&new), one(&old)].map(|secrets| secrets.signature("msg_1", 5, b"{}"));
        assert_eq!(both, apart.join(" "));
    }

    #[test]
    fn files_of_another_form_are_refused_without_repeating_them() {
        let key = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for text in [
            String::new(),
            key(24),
            "namespace: teams".to_owned(),
            "namespace: /\nnamespace: /a".to_owned(),
            "namespace: /\nhunter2".to_owned(),
            "namespace: /\nwhsec_hunter2!".to_owned(),
            format!("namespace: /\n{}", key(23)),
            format!("namespace: /\n{}", key(65)),
            format!("namespace: /\n{}", format!("{}\n", key(24)).repeat(5)),
            "namespace: /\ntoken: a b".to_owned(),
            "namespace: /\ntoken: a#hunter2".to_owned(),
            "namespace: /\ntoken: ../hunter2".to_owned(),
            "namespace: /\ntoken:".to_owned(),
            "namespace: /\ntoken: a\ntoken: b".to_owned(),
        ] {
            let Err(error) = Secrets::parse(&text) else {
                unreachable!("{text:?} is refused");
            };
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_secret_serves_its_namespace_and_those_below_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = SecretSource::parse("hook").expect("it is valid");
        let text = format!(
            "# rotated yearly\nnamespace: /teams\nwhsec_{}\n",
            STANDARD.encode([7; 24])
        );
        std::fs::write(folder.path().join("hook"), text).expect("the file can be written");
        for (path, serves) in [
            ("/teams", true),
            ("/teams/a", true),
            ("/", false),
            ("/teams2", false),
            ("/other", false),
        ] {
            let namespace = NamespacePath::parse(path).expect("it is valid");
            let loaded = Secrets::load(Some(folder.path()), &source, &namespace).await;
            assert_eq!(loaded.is_ok(), serves, "{path}");
        }
        std::fs::write(folder.path().join("hook"), "#".repeat(5000)).expect("the file can be written");
        let loaded = Secrets::load(Some(folder.path()), &source, &NamespacePath::root()).await;
        assert!(matches!(loaded, Err(SecretError::TooLong)));
    }
}
