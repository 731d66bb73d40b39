//! The trusted issuers of bearer tokens, and their public keys: fetched in the background and when a token names a new
//! one, kept while the issuer is away.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use confman_core::identity::{Issuer, IssuerKeys};
use confman_core::ids::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::claims::{self, ClaimError, Holder};
use super::fetch::{self, FetchError};
use super::jws::{JwsError, KeySet, Token};

/// How often issuers are asked, and how long their answers last.
#[derive(Clone, Copy)]
struct Pace {
    /// Keys are fetched again when they are this old.
    refresh_after: Duration,
    /// Whatever happens, an issuer is not asked more often.
    ask_at_most_every: Duration,
    /// How long keys are used while their issuer is away.
    keep_at_most: Duration,
    /// How long a request waits for keys that are being fetched.
    wait: Duration,
}

const PACE: Pace = Pace {
    refresh_after: Duration::from_mins(5),
    ask_at_most_every: Duration::from_secs(10),
    keep_at_most: Duration::from_hours(24),
    wait: Duration::from_secs(3),
};

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Form, algorithm, key or signature.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// No text as `iss`, or one that is not trusted.
    #[error("the issuer of the token is not trusted")]
    UnknownIssuer,
    /// What it says.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The issuer's keys are not known and cannot be fetched now. The token may be good.
    #[error("the keys of the issuer {realm} cannot be fetched now; try again")]
    KeysUnavailable {
        /// Realm of the issuer.
        realm: String,
    },
}

/// Every trusted issuer.
#[derive(Default)]
pub struct Issuers {
    list: Vec<Arc<TrustedIssuer>>,
}

impl Issuers {
    /// The issuers of `settings`; those that were in `before` with the same settings keep their keys.
    pub fn new(settings: &[Issuer], before: &Self) -> Self {
        let kept = |issuer: &Issuer| before.list.iter().find(|known| known.settings == *issuer).cloned();
        let list = settings
            .iter()
            .map(|issuer| kept(issuer).unwrap_or_else(|| Arc::new(TrustedIssuer::new(issuer.clone(), PACE))));
        Self { list: list.collect() }
    }

    /// The holder of a token. Waits only where its issuer may have published a key that is not known here yet.
    pub async fn authenticate(&self, text: &str, now: Timestamp) -> Result<Holder, TokenError> {
        let token = &Token::parse(text)?;
        let url = token.unverified("iss").and_then(Value::as_str);
        let issuer = self.list.iter().find(|known| Some(known.settings.url.as_str()) == url);
        let issuer = issuer.ok_or(TokenError::UnknownIssuer)?;
        match issuer.verify(token, now) {
            Err(TokenError::KeysUnavailable { .. } | TokenError::Jws(JwsError::UnknownKey)) => {
                // Whether or not it came in time: what is known then decides.
                let _ = tokio::time::timeout(issuer.pace.wait, issuer.refresh(Duration::ZERO)).await;
                issuer.verify(token, now)
            }
            decided => decided,
        }
    }

    /// Fetches what is due; to be called every now and then.
    pub async fn refresh_due(&self) {
        let due = self.list.iter().map(|issuer| issuer.refresh(issuer.pace.refresh_after));
        futures::future::join_all(due).await;
    }
}

struct TrustedIssuer {
    settings: Issuer,
    pace: Pace,
    keys: ArcSwapOption<Fetched>,
    /// When the issuer was last asked. Held while it is, so that nobody asks twice.
    asked: Mutex<Option<Instant>>,
}

struct Fetched {
    keys: KeySet,
    at: Instant,
}

impl TrustedIssuer {
    fn new(settings: Issuer, pace: Pace) -> Self {
        let inline = match &settings.keys {
            IssuerKeys::Inline(text) => KeySet::parse(text).ok(),
            IssuerKeys::Discovery | IssuerKeys::Url(_) => None,
        };
        let at = Instant::now();
        Self {
            keys: ArcSwapOption::new(inline.map(|keys| Arc::new(Fetched { keys, at }))),
            settings,
            pace,
            asked: Mutex::new(None),
        }
    }

    fn is_inline(&self) -> bool {
        matches!(self.settings.keys, IssuerKeys::Inline(_))
    }

    fn verify(&self, token: &Token<'_>, now: Timestamp) -> Result<Holder, TokenError> {
        let known = self.keys.load_full();
        let usable = known.filter(|known| self.is_inline() || known.at.elapsed() <= self.pace.keep_at_most);
        let usable = usable.ok_or_else(|| TokenError::KeysUnavailable {
            realm: self.settings.realm.clone(),
        })?;
        let claims = token.verify(&self.settings.algorithms, &usable.keys)?;
        Ok(claims::holder(claims, &self.settings, now)?)
    }

    /// Fetches the keys if they are older than `age` and the issuer was not asked just now.
    async fn refresh(&self, age: Duration) {
        if self.is_inline() {
            return;
        }
        let before = self.keys.load_full();
        let mut asked = self.asked.lock().await;
        // Whoever held the lock may have done it.
        let current = self.keys.load_full();
        let is_new = match (&before, &current) {
            (Some(before), Some(current)) => current.at > before.at,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let is_young = current.is_some_and(|known| known.at.elapsed() < age);
        let is_asked = asked.is_some_and(|at| at.elapsed() < self.pace.ask_at_most_every);
        if is_new || is_young || is_asked {
            return;
        }
        *asked = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                let at = Instant::now();
                self.keys.store(Some(Arc::new(Fetched { keys, at })));
                tracing::debug!(realm = self.settings.realm, "the keys of an issuer are fetched");
            }
            Err(error) => {
                tracing::warn!(realm = self.settings.realm, %error, "the keys of an issuer cannot be fetched");
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let tls = fetch::client(self.settings.ca_pem.as_deref())?;
        let url = match &self.settings.keys {
            IssuerKeys::Url(url) => url.clone(),
            IssuerKeys::Discovery | IssuerKeys::Inline(_) => self.discover(&tls).await?,
        };
        let text = fetch::get(&url, &tls).await?;
        KeySet::parse(&text).map_err(|error| FetchError::Rubbish {
            url,
            reason: error.to_string(),
        })
    }

    /// Where the issuer says that its keys are (`OpenID` Connect Discovery 1.0).
    async fn discover(&self, tls: &Arc<rustls::ClientConfig>) -> Result<String, FetchError> {
        let issuer = &self.settings.url;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let text = fetch::get(&url, tls).await?;
        let rubbish = |reason: &str| FetchError::Rubbish {
            url: url.clone(),
            reason: reason.to_owned(),
        };
        let found: Discovery = serde_json::from_str(&text).map_err(|_| rubbish("no issuer with a jwks_uri"))?;
        if found.issuer != *issuer {
            return Err(rubbish("it speaks for another issuer"));
        }
        Ok(found.jwks_uri)
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[cfg(test)]
mod tests;
