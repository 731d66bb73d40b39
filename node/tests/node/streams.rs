//! Server-sent events as a plain client reads them: raw bytes of one connection, cut wherever a test wants.

use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::wait::DEADLINE;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) data: serde_json::Value,
}

impl Event {
    pub(crate) fn id(&self) -> &str {
        self.id.as_deref().expect("the event has an id")
    }
}

/// An open stream.
pub(crate) struct Stream {
    response: Response,
    text: String,
    pub(crate) heartbeats: usize,
}

/// What to ask for.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) node: u8,
    pub(crate) path: &'a str,
    pub(crate) last_id: Option<String>,
    pub(crate) key: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn new(cluster: &'a Cluster, path: &'a str) -> Self {
        Self {
            node: 0,
            path,
            last_id: None,
            key: &cluster.reader_key,
        }
    }

    pub(crate) async fn send(&self, cluster: &Cluster) -> Response {
        let url = format!("http://{}/api/v1/watch{}", cluster.http_address(self.node), self.path);
        let mut request = crate::http::endless().get(url).header("x-api-key", self.key);
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        request.send().await.expect("an answer")
    }

    /// Opens the stream; gives its first event too.
    pub(crate) async fn open(&self, cluster: &Cluster) -> (Stream, Event) {
        let response = self.send(cluster).await;
        assert_eq!(response.status().as_u16(), 200, "{:?}", response.text().await);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Stream {
            response,
            text: String::new(),
            heartbeats: 0,
        };
        let first = stream.next().await.expect("a stream says first where it begins");
        (stream, first)
    }
}

impl Stream {
    /// The next event; none after the last. Heartbeats alone do not keep it waiting for ever.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        timeout(DEADLINE, self.listen_for_event()).await.expect("an event")
    }

    async fn listen_for_event(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                let read = self.text.len() - rest.len();
                self.text.drain(..read);
                match event {
                    Some(event) => return Some(event),
                    None => self.heartbeats += 1,
                }
                continue;
            }
            if !self.listen().await {
                return None;
            }
        }
    }

    /// Waits for more bytes; false if none come any more.
    async fn listen(&mut self) -> bool {
        let chunk = timeout(DEADLINE, self.response.chunk())
            .await
            .expect("something is heard");
        match chunk {
            Ok(Some(bytes)) => {
                self.text.push_str(std::str::from_utf8(&bytes).expect("text"));
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// Waits until the stream has said that it lives.
    pub(crate) async fn heartbeat(&mut self) -> Duration {
        let began = std::time::Instant::now();
        while !self.text.contains(":\n\n") {
            assert!(self.listen().await, "the stream has ended");
        }
        began.elapsed()
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = lines.next().map(str::to_owned);
        assert!(lines.next().is_none(), "one line each: {block}");
        value
    };
    let data = field("data")?;
    Some(Event {
        id: field("id"),
        name: field("event").expect("every event has a name"),
        data: serde_json::from_str(&data).expect("data is JSON"),
    })
}
