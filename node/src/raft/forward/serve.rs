//! The leader's side of forwarded writes.

use std::sync::Arc;

use confman_core::proposal::Proposal;
use confman_store::codec::wire;
use confman_store::{Answer, EncodedProposal};
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::auth::authenticator::Authenticator;
use crate::http::trace;
use crate::propose::{Attempt, Proposer};
use crate::raft::wire::{ForwardAnswer, ForwardFailure, ForwardItem, ForwardRequest, ForwardResponse, Frame};
use crate::spans::Span;

/// Frames that wait for the connection.
const FRAMES: usize = 16;
/// Most answers in one frame.
const BATCH: usize = 256;

/// What the leader writes with.
#[derive(Clone)]
pub(crate) struct Leader {
    pub(crate) proposer: Proposer,
    pub(crate) authenticator: Arc<Authenticator>,
}

/// Writes what comes and answers in the order of the log; frames do not wait for each other.
pub(crate) fn serve(leader: Leader, mut frames: Streaming<Frame>) -> impl Stream<Item = Result<Frame, Status>> {
    let (answers, outgoing) = mpsc::channel(FRAMES);
    tokio::spawn(async move {
        while let Some(Ok(frame)) = frames.next().await {
            let request: ForwardRequest = match frame.read() {
                Ok(request) => request,
                Err(status) => {
                    // The follower is gone if nobody takes it.
                    let _ = answers.send(Err(status)).await;
                    return;
                }
            };
            tokio::spawn(write(leader.clone(), request, answers.clone()));
        }
    });
    ReceiverStream::new(outgoing)
}

async fn write(leader: Leader, request: ForwardRequest, answers: mpsc::Sender<Result<Frame, Status>>) {
    let mut ids = Vec::with_capacity(request.items.len());
    let mut writes = Vec::with_capacity(request.items.len());
    let mut refused = Vec::new();
    for item in request.items {
        let id = item.id;
        let callers = item.traceparent.as_deref().and_then(trace::parse);
        match leader.read(item).await {
            Ok(proposal) => {
                ids.push(id);
                // Without the caller's context it would be a trace of its own, which nobody looks for.
                let span = callers.map(|ids| Span::received(|| "forwarded write".to_owned(), Some(ids), &[]));
                writes.push((proposal, span.unwrap_or_default()));
            }
            Err((failure, detail)) => refused.push(failed(id, failure, detail)),
        }
    }
    let mut sent = refused.is_empty() || send(&answers, refused).await;
    let mut attempts = leader.proposer.append_forwarded(writes).await.ready_chunks(BATCH);
    let mut ids = ids.into_iter();
    while sent && let Some(ready) = attempts.next().await {
        let items = ids
            .by_ref()
            .take(ready.len())
            .zip(ready)
            .map(|(id, attempt)| item(id, attempt));
        sent = send(&answers, items.collect()).await;
    }
}

impl Leader {
    /// The proposal, in the name of whoever its credential belongs to.
    async fn read(&self, item: ForwardItem) -> Result<Proposal, (ForwardFailure, String)> {
        let credential = item.credential();
        let decoded = EncodedProposal::from_bytes(item.proposal).and_then(|encoded| encoded.decode());
        let proposal = decoded.map_err(|error| (ForwardFailure::Unspecified, error.to_string()))?;
        let command = credential.authenticate(&self.authenticator, proposal.command).await;
        let command = command.map_err(|error| {
            tracing::warn!(%error, "a node forwarded a write that this one does not accept");
            (ForwardFailure::Unauthorized, error.to_string())
        })?;
        Ok(Proposal { command, ..proposal })
    }
}

async fn send(answers: &mpsc::Sender<Result<Frame, Status>>, items: Vec<ForwardAnswer>) -> bool {
    answers.send(Ok(Frame::of(&ForwardResponse { items }))).await.is_ok()
}

fn item(id: u64, attempt: Attempt) -> ForwardAnswer {
    match attempt {
        Attempt::Answered(answer) => answered(id, &answer),
        Attempt::NotLeader => failed(id, ForwardFailure::NotLeader, String::new()),
        Attempt::Overloaded => failed(id, ForwardFailure::Overloaded, String::new()),
        Attempt::StorageFull => failed(id, ForwardFailure::StorageFull, String::new()),
        Attempt::Unauthorized(detail) => failed(id, ForwardFailure::Unauthorized, detail),
        Attempt::Unknown(detail) => failed(id, ForwardFailure::Unknown, detail),
    }
}

fn answered(id: u64, answer: &Answer) -> ForwardAnswer {
    ForwardAnswer {
        id,
        answer: Some(wire::encode_answer(answer)),
        failure: ForwardFailure::Unspecified.into(),
        detail: String::new(),
    }
}

fn failed(id: u64, failure: ForwardFailure, detail: String) -> ForwardAnswer {
    ForwardAnswer {
        id,
        answer: None,
        failure: failure.into(),
        detail,
    }
}
