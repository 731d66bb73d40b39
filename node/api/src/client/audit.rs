//! The audit trail for a reader: pages by filter, exports line by line, and the walk of a node over its own chain.

use confman_core::audit::AuditAction;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId, Timestamp};
use confman_core::principal::Principal;
use reqwest::Response;

use super::public::path;
use super::query::Query;
use super::{Client, ClientError};
use crate::audit::{AuditEventView, AuditLine, AuditVerifyView};
use crate::limits;
use crate::listing::{Page, Paging};

/// Which events are asked for: all of what is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// By this principal.
    pub actor: Option<Principal>,
    /// Of this key.
    pub key: Option<ConfigKey>,
    /// This action.
    pub action: Option<AuditAction>,
    /// Of this publish request.
    pub request: Option<RequestId>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// In which order a page has its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOrder {
    /// The last first.
    NewestFirst,
    /// As they happened.
    OldestFirst,
}

impl AuditQuery {
    fn narrow(&self, query: Query) -> Query {
        let Self {
            actor,
            key,
            action,
            request,
            from,
            to,
        } = self;
        let action = action.and_then(|action| serde_json::to_value(action).ok());
        query
            .with("actor", actor.as_ref())
            .with("key", key.as_ref())
            .with("action", action.as_ref().and_then(serde_json::Value::as_str))
            .with("request", request.as_ref())
            .with("from", *from)
            .with("to", *to)
    }
}

/// An export on its way: one line at a time is in memory.
#[derive(Debug)]
pub struct AuditExport {
    response: Response,
    rest: Vec<u8>,
}

impl AuditExport {
    /// The next line; none behind the last. An export without [`AuditLine::End`] was cut off.
    ///
    /// # Errors
    /// If the connection breaks, or a line is none of an export, or longer than [`limits::AUDIT_LINE`].
    pub async fn next_line(&mut self) -> Result<Option<AuditLine>, ClientError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let text = std::str::from_utf8(&line).map_err(|error| broken(&error))?;
                return AuditLine::parse(text).map(Some).map_err(|error| broken(&error));
            }
            if self.rest.len() > limits::AUDIT_LINE.value {
                return Err(ClientError::Unreachable("a line of the export is too long".to_owned()));
            }
            match self.response.chunk().await.map_err(|error| broken(&error))? {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(ClientError::Unreachable("the export was cut off".to_owned())),
            }
        }
    }
}

fn broken(error: &dyn std::error::Error) -> ClientError {
    ClientError::Unreachable(format!("the export is broken: {error}"))
}

impl Client {
    /// One page of events of a namespace and those below it. It may be empty and not the last.
    pub async fn audit(
        &self,
        namespace: &NamespacePath,
        query: &AuditQuery,
        order: AuditOrder,
        paging: &Paging,
    ) -> Result<Page<AuditEventView>, ClientError> {
        let order = match order {
            AuditOrder::NewestFirst => None,
            AuditOrder::OldestFirst => Some("oldest"),
        };
        let query = query.narrow(self.fresh()).with("order", order).page(paging);
        self.get(query.behind(&path("audit", namespace))).await
    }

    /// Begins an export of the whole chain, oldest first, that shows the events of a namespace and those below it.
    pub async fn export_audit(
        &self,
        namespace: &NamespacePath,
        query: &AuditQuery,
    ) -> Result<AuditExport, ClientError> {
        let query = query.narrow(self.fresh());
        let mut call = self.call(query.behind(&path("audit", namespace)));
        call.headers.push(("accept", "application/x-ndjson".to_owned()));
        let response = self.transport.send(&call).await?;
        Ok(AuditExport {
            response,
            rest: Vec::new(),
        })
    }

    /// Has one node walk its chain, from the first event or from a cursor.
    pub async fn verify_audit(&self, cursor: Option<&str>) -> Result<AuditVerifyView, ClientError> {
        let query = self.fresh().with("cursor", cursor);
        self.get(query.behind("/api/v1/audit:verify")).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_with_everything_escaped() {
        let query = AuditQuery {
            actor: Some(Principal::user("ada+b&c")),
            action: Some(AuditAction::ConfigPublished),
            from: Some(Timestamp::from_millis(0)),
            ..AuditQuery::default()
        };
        let path = query.narrow(Query::default()).behind("/api/v1/audit");
        let expected =
            "/api/v1/audit?actor=user%3Aada%2Bb%26c&action=config.published&from=1970-01-01T00%3A00%3A00.000Z";
        assert_eq!(path, expected);
    }
}
