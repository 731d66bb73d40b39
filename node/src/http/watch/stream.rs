//! The events of one stream. It is asked for the next one only when the client has room for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use confman_api::limits;
use confman_api::problem::{Problem, ProblemType};
use confman_api::watch::{CLOSED, ClosedReason, ClosedView, READY, RESET, ReadyView, ResetView};
use confman_core::access::Action;
use confman_core::ids::NamespacePath;
use futures::stream;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::auth::access::may;
use crate::auth::authenticator::{Authenticator, LoginError};
use crate::auth::credential::Credential;
use crate::auth::issuers::TokenError;
use crate::auth::known::Known;
use crate::http::App;
use crate::http::call::{Call, Caller};
use crate::propose::now;
use crate::watch::{Change, Feed, Start, Step, Watcher};

const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");
/// Clients come back after this many milliseconds, and up to as many more: not all at once.
const RETRY_MS: u64 = 1_000;

/// Who watches. Asked again and again: rights and credentials end while a stream goes on.
pub(super) struct Viewer {
    authenticator: Arc<Authenticator>,
    /// None of a caller without one, where such may read.
    credential: Option<Credential>,
    known: Arc<Known>,
}

impl Viewer {
    /// The caller of `call`.
    pub(super) fn of(app: &App, call: &Call) -> Result<Self, Problem> {
        let (known, credential) = match &call.caller {
            Caller::Known(known, credential) => (known, Some(credential.clone())),
            Caller::Anonymous(known) => (known, None),
            Caller::Anyone | Caller::Courier => {
                let detail = "this route needs a credential";
                return Err(Problem::new(ProblemType::Unauthorized, detail));
            }
        };
        Ok(Self {
            authenticator: Arc::clone(&app.authenticator),
            credential,
            known: Arc::clone(known),
        })
    }

    /// Looks whether the credential is still accepted, and whose it is.
    async fn authenticate(&mut self) -> Result<(), ClosedReason> {
        let known = match &self.credential {
            Some(credential) => self.authenticator.authenticate(credential).await,
            None => self.authenticator.anonymous(),
        };
        match known {
            Ok(known) => {
                self.known = known;
                Ok(())
            }
            // That its issuer cannot be asked ends nobody before their time.
            Err(LoginError::Token(TokenError::KeysUnavailable { .. })) if !self.is_over() => Ok(()),
            Err(_) => Err(ClosedReason::Unauthorized),
        }
    }

    fn is_over(&self) -> bool {
        self.known.expires_at.is_some_and(|end| end <= now())
    }

    fn may_read(&self, feed: &Feed, namespace: &NamespacePath) -> bool {
        let namespaces = feed.state().namespaces();
        may(&namespaces, &self.known, Action::ReadPublished, namespace)
    }
}

/// One stream.
pub(super) struct EventStream {
    watcher: Watcher,
    viewer: Viewer,
    /// Whether values go out.
    values: bool,
    /// What is said first.
    opening: Option<Bytes>,
    /// When the client must hear something, and the credential is looked at again.
    beat: Instant,
    ended: bool,
}

impl EventStream {
    pub(super) fn new(watcher: Watcher, viewer: Viewer, values: bool, start: Start) -> Self {
        Self {
            watcher,
            viewer,
            values,
            opening: Some(opening(start)),
            beat: next_beat(),
            ended: false,
        }
    }

    /// As the body of an answer.
    pub(super) fn into_body(self) -> Body {
        // Boxed: what waits for the next frame would have room for it twice.
        Body::from_stream(stream::unfold(Box::new(self), |mut stream| async move {
            let frame = stream.next().await?;
            Some((Ok::<_, Infallible>(frame), stream))
        }))
    }

    /// The next bytes; none after the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        match self.frame().await {
            Ok(frame) => Some(frame),
            Err(reason) => {
                self.ended = true;
                Some(event(None, CLOSED, &ClosedView { reason }))
            }
        }
    }

    async fn frame(&mut self) -> Result<Bytes, ClosedReason> {
        loop {
            let step = if Instant::now() < self.beat {
                timeout_at(self.beat, self.watcher.next()).await.ok()
            } else {
                None
            };
            let Some(step) = step else {
                self.beat = next_beat();
                // Seldom, so it takes room only while it lasts.
                Box::pin(self.viewer.authenticate()).await?;
                self.check_access()?;
                return Ok(HEARTBEAT);
            };
            match step {
                Step::Change(change) => {
                    self.check_access()?;
                    if self.viewer.may_read(self.watcher.feed(), &change.namespace) {
                        return self.written(&change);
                    }
                }
                Step::Woken => self.check_access()?,
                Step::Closed(reason) => return Err(reason),
            }
        }
    }

    fn check_access(&self) -> Result<(), ClosedReason> {
        let (feed, namespace) = (self.watcher.feed(), &self.watcher.interest().namespace);
        let exists = feed.state().namespace(namespace).is_some();
        if exists && self.viewer.may_read(feed, namespace) {
            Ok(())
        } else {
            Err(ClosedReason::AccessLost)
        }
    }

    fn written(&self, change: &Change) -> Result<Bytes, ClosedReason> {
        if !self.values {
            return Ok(change.frame());
        }
        let frame = change.frame_with_value(self.watcher.feed().state());
        frame.map_err(|error| {
            tracing::error!(%error, "a value cannot be read; a watch ends");
            ClosedReason::Failed
        })
    }
}

fn next_beat() -> Instant {
    Instant::now() + Duration::from_millis(limits::HEARTBEAT.value as u64)
}

/// When to come back, and where the stream begins.
fn opening(start: Start) -> Bytes {
    static STREAMS: AtomicU64 = AtomicU64::new(0);
    // Any number spreads clients that is coprime to what it is taken modulo.
    let spread = STREAMS.fetch_add(1, Ordering::Relaxed).wrapping_mul(617) % RETRY_MS;
    let mut text = format!("retry: {}\n", RETRY_MS + spread).into_bytes();
    match start {
        Start::After(position) => {
            let id = match position.seq {
                u32::MAX => position.index.to_string(),
                seq => format!("{}.{seq}", position.index),
            };
            let index = position.index;
            text.extend_from_slice(&event(Some(&id), READY, &ReadyView { index }));
        }
        Start::Reset(reason, index) => {
            let id = index.to_string();
            text.extend_from_slice(&event(Some(&id), RESET, &ResetView { reason, index }));
        }
    }
    text.into()
}

fn event(id: Option<&str>, name: &str, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let data = serde_json::to_string(data).expect("views serialise to memory");
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use confman_api::watch::ResetReason;
    use confman_store::AuditPosition;

    use super::*;

    #[test]
    fn a_stream_says_first_where_it_begins_and_when_to_come_back() {
        let position = AuditPosition { index: 7, seq: 1 };
        let text = String::from_utf8(opening(Start::After(position)).to_vec()).expect("text");
        assert!(text.starts_with("retry: 1"), "{text}");
        assert!(
            text.ends_with("\nid: 7.1\nevent: ready\ndata: {\"index\":7}\n\n"),
            "{text}"
        );
        let reset = opening(Start::Reset(ResetReason::AheadOfLog, 20));
        let text = String::from_utf8(reset.to_vec()).expect("text");
        let expected = "\nid: 20\nevent: reset\ndata: {\"reason\":\"ahead-of-log\",\"index\":20}\n\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
