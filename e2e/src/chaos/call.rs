//! One call of a client: how it is written as HTTP, and what its answer means.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::history::{Action, Live, Outcome};
use crate::load::http::Connection;

/// A version as a client remembers it, to name it in `If-Match`.
#[derive(Clone, Debug)]
pub struct Known {
    /// The version.
    pub version: u64,
    /// Digest of its value.
    pub digest: String,
}

/// What came of a call, and what is live by its answer, if it says so.
pub type Answered = (Outcome, Option<Known>);

/// Sends `action` on `key`, on the connection that is there or a new one to `address`; waits at most `patience`.
pub async fn call(
    connection: &mut Option<Connection>,
    address: &str,
    request: &str,
    (action, patience): (&Action, Duration),
) -> Answered {
    if connection.is_none() {
        match tokio::time::timeout(patience, Connection::open(address)).await {
            Ok(Ok(opened)) => *connection = Some(opened),
            Ok(Err(error)) => return (Outcome::Refused(format!("{error:#}")), None),
            Err(_) => return (Outcome::Refused("no connection in time".to_owned()), None),
        }
    }
    let Some(open) = connection.as_mut() else {
        return (Outcome::Refused("no connection".to_owned()), None);
    };
    let exchange = async {
        let (status, body) = open.send(request.as_bytes()).await?;
        let body = body.to_vec();
        let index = open.header("confman-index").and_then(|text| text.parse().ok());
        anyhow::Ok((status, body, index))
    };
    match tokio::time::timeout(patience, exchange).await {
        Ok(Ok((status, body, index))) => understand(action, status, &body, index),
        Ok(Err(error)) => {
            *connection = None;
            (Outcome::Unknown(format!("{error:#}")), None)
        }
        Err(_) => {
            *connection = None;
            (Outcome::Unknown("no answer in time".to_owned()), None)
        }
    }
}

/// `action` on `key` as an HTTP request; `known` is the version that the action names.
pub fn request(action: &Action, key: &str, known: Option<&Known>, api_key: &str) -> String {
    let condition = known.map_or(String::new(), |known| format!("if-match: \"{}\"\r\n", known.digest));
    let (method, query, body) = match action {
        Action::Put(value, _) => ("PUT", "", Some(value)),
        Action::Delete(_) => ("DELETE", "", None),
        Action::Read => ("GET", "?consistency=linearizable", None),
        Action::ReadStale => ("GET", "", None),
    };
    let (fields, body) = body.map_or((String::new(), ""), |body| {
        let fields = format!("content-type: text/plain\r\ncontent-length: {}\r\n", body.len());
        (fields, body.as_str())
    });
    format!(
        "{method} /api/v1/config/{key}{query} HTTP/1.1\r\nhost: confman\r\nx-api-key: {api_key}\r\n{condition}{fields}\r\n{body}"
    )
}

fn understand(action: &Action, status: u16, body: &[u8], index: Option<u64>) -> Answered {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let is_read = matches!(action, Action::Read | Action::ReadStale);
    let outcome = match (status, is_read, action) {
        (200, true, _) => seen(&body, index),
        (404, true, _) => index.map(|index| Outcome::Seen { live: None, index }),
        (200, false, _) => written(&body),
        (412, ..) | (404, _, Action::Put(_, Some(_)) | Action::Delete(Some(_))) => Some(Outcome::Mismatch),
        (404, _, Action::Delete(None)) => Some(Outcome::Absent),
        // The problems with these say that nothing was changed.
        (408 | 409 | 429 | 503 | 507, ..) => Some(Outcome::Refused(kind_of(&body))),
        _ => None,
    };
    let digest = body["digest"].as_str().map(str::to_owned);
    let known = outcome.as_ref().and_then(|outcome| match outcome {
        Outcome::Written { version, .. } => Some(*version),
        Outcome::Seen { live, .. } => live.as_ref().map(|live| live.version),
        Outcome::Mismatch | Outcome::Absent | Outcome::Refused(_) | Outcome::Unknown(_) => None,
    });
    let known = known.zip(digest).map(|(version, digest)| Known { version, digest });
    let outcome = outcome.unwrap_or_else(|| Outcome::Unknown(format!("{status} {}", kind_of(&body))));
    (outcome, known)
}

fn seen(body: &Value, index: Option<u64>) -> Option<Outcome> {
    let live = Live {
        version: body["version"].as_u64()?,
        value: body["value"].as_str()?.to_owned(),
    };
    let live = Some(live);
    Some(Outcome::Seen { live, index: index? })
}

fn written(body: &Value) -> Option<Outcome> {
    Some(Outcome::Written {
        version: body["version"].as_u64()?,
        index: body["position"]["index"].as_u64()?,
    })
}

/// `storage-full` of `https://confman.io/problems/storage-full`.
fn kind_of(problem: &Value) -> String {
    let kind = problem["type"].as_str().unwrap_or_default();
    kind.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Gets `path` of the node at `address`, with its whole answer; fails unless it is 200.
pub async fn get(address: &str, api_key: &str, path: &str) -> anyhow::Result<Value> {
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: confman\r\nx-api-key: {api_key}\r\n\r\n");
        let (status, body) = connection.send(request.as_bytes()).await?;
        anyhow::ensure!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(body));
        serde_json::from_slice(body).with_context(|| format!("{path}: no JSON"))
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await;
    answer.with_context(|| format!("{path}: no answer in time"))?
}

/// Posts `body` to `path` of the node at `address`; the status.
pub async fn post(address: &str, api_key: &str, path: &str, body: &str) -> anyhow::Result<u16> {
    let exchange = async {
        let mut connection = Connection::open(address).await?;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: confman\r\nx-api-key: {api_key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let (status, _) = connection.send(request.as_bytes()).await?;
        Ok(status)
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), exchange).await;
    answer.with_context(|| format!("{path}: no answer in time"))?
}

/// Opens the stream `path` of the node at `address`: lines follow until the connection ends.
pub async fn stream(address: &str, api_key: &str, path: &str, fields: &str) -> anyhow::Result<Connection> {
    let mut connection = Connection::open(address).await?;
    // Of HTTP/1.0, so that the lines come as they are and not in chunks.
    let request = format!("GET {path} HTTP/1.0\r\nhost: confman\r\nx-api-key: {api_key}\r\n{fields}\r\n");
    let status = connection.ask(request.as_bytes()).await?;
    anyhow::ensure!(status == 200, "{path}: status {status}");
    Ok(connection)
}
