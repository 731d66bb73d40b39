//! Watching from a client: each change once and in order, over as many connections as it takes.

use std::collections::VecDeque;
use std::time::Duration;

use confman_core::ids::NamespacePath;
use reqwest::Response;
use tokio::time::{sleep, timeout};

use super::events::{Event, Parser};
use super::public::path;
use super::transport::{Call, Patience};
use super::{Client, ClientError};
use crate::limits;
use crate::watch::{
    CLOSED, ChangeKind, ChangeView, ClosedReason, ClosedView, EVENT_STREAM, READY, RESET, ReadyView, ResetView,
};

/// A stream that is silent for so many heartbeats is dead.
const SILENT_BEATS: u32 = 3;
/// Pause before the first try to connect again, where the node has said nothing else; doubled from try to try.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The namespace.
    pub namespace: NamespacePath,
    /// Whether those below it count.
    pub recursive: bool,
    /// About what.
    pub kinds: Vec<ChangeKind>,
    /// Whether to get the values that went live.
    pub values: bool,
    /// `Confman-Index` of a listing, or the id of an event: go on after it. None: from now on.
    pub from: Option<String>,
}

/// What a watch gives.
#[derive(Debug)]
pub enum Watched {
    /// Everything up to this index is older than what follows. Said once.
    Ready(u64),
    /// A change, with its id.
    Change(String, Box<ChangeView>),
    /// Changes may have been missed: list again, with `consistency=index=INDEX`. What follows is newer.
    Reset(ResetView),
}

/// A watch. It connects when [`Watch::next`] is called first, and again whenever it has to.
pub struct Watch {
    client: Client,
    options: WatchOptions,
    /// Id of the last event that was given out.
    last_id: Option<String>,
    /// Said once that it is ready.
    is_ready: bool,
    stream: Option<Response>,
    parser: Parser,
    parsed: VecDeque<Event>,
    /// Tries since something was heard last.
    tries: u32,
}

impl Client {
    /// Watches a namespace.
    pub fn watch(&self, options: WatchOptions) -> Watch {
        Watch {
            client: self.clone(),
            last_id: options.from.clone(),
            options,
            is_ready: false,
            stream: None,
            parser: Parser::default(),
            parsed: VecDeque::new(),
            tries: 0,
        }
    }
}

impl Watch {
    /// Id of the last event that was given out: another watch may go on `from` it.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// What comes next. Waits as long as it takes, also for a node that answers; an error is final: the caller may not
    /// watch this (any more), or what was asked for is not valid.
    pub async fn next(&mut self) -> Result<Watched, ClientError> {
        loop {
            while let Some(event) = self.parsed.pop_front() {
                if let Some(watched) = self.take(event)? {
                    return Ok(watched);
                }
            }
            self.listen().await?;
        }
    }

    /// What `event` means for the caller; nothing for what only the connection is about.
    fn take(&mut self, event: Event) -> Result<Option<Watched>, ClientError> {
        let watched = if event.name == READY {
            let ReadyView { index } = read(&event)?;
            let first = !std::mem::replace(&mut self.is_ready, true);
            first.then_some(Watched::Ready(index))
        } else if event.name == RESET {
            self.is_ready = true;
            Some(Watched::Reset(read(&event)?))
        } else if event.name == CLOSED {
            let ClosedView { reason } = read(&event)?;
            match reason {
                // The next connection says why, if it does not work.
                ClosedReason::AccessLost
                | ClosedReason::Unauthorized
                | ClosedReason::Stopping
                | ClosedReason::Failed => {
                    self.stream = None;
                }
            }
            None
        } else if ChangeKind::parse(&event.name).is_some() {
            let id = event.id.clone().unwrap_or_default();
            Some(Watched::Change(id, Box::new(read(&event)?)))
        } else {
            // Of a newer node: not asked for, so not missed.
            None
        };
        if event.id.is_some() {
            self.last_id = event.id;
        }
        Ok(watched)
    }

    /// Reads what the stream has next, and connects first if there is none.
    async fn listen(&mut self) -> Result<(), ClientError> {
        let Some(stream) = &mut self.stream else {
            return self.connect().await;
        };
        let silence = Duration::from_millis(limits::HEARTBEAT.value as u64) * SILENT_BEATS;
        match timeout(silence, stream.chunk()).await {
            Ok(Ok(Some(bytes))) => {
                self.tries = 0;
                self.parser.feed(&bytes, &mut self.parsed);
            }
            Ok(Ok(None) | Err(_)) | Err(_) => self.stream = None,
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        if self.tries > 0 {
            let pause = self.parser.retry().unwrap_or(PAUSE);
            sleep((pause * 2_u32.saturating_pow(self.tries.min(8) - 1)).min(LONGEST_PAUSE)).await;
        }
        self.tries = self.tries.saturating_add(1);
        // Half an event of the last connection is not continued by this one.
        self.parser.forget_unfinished();
        match self.client.transport.send(&self.call()).await {
            Ok(response) => {
                self.stream = Some(response);
                Ok(())
            }
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn call(&self) -> Call {
        let WatchOptions {
            namespace,
            recursive,
            kinds,
            values,
            from: _,
        } = &self.options;
        let types: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
        let types = if types.is_empty() {
            String::new()
        } else {
            format!("&types={}", types.join(","))
        };
        let query = format!("recursive={recursive}&values={values}{types}");
        let mut call = self.client.call(format!("{}?{query}", path("watch", namespace)));
        call.patience = Patience::Stream;
        call.headers.push(("accept", EVENT_STREAM.to_owned()));
        if let Some(id) = &self.last_id {
            call.headers.push(("last-event-id", id.clone()));
        }
        call
    }
}

fn read<'e, T: serde::Deserialize<'e>>(event: &'e Event) -> Result<T, ClientError> {
    let unreadable = |error| ClientError::Unreachable(format!("an event {} cannot be read: {error}", event.name));
    serde_json::from_str(&event.data).map_err(unreadable)
}
