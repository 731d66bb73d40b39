//! The leader's side of forwarded writes.

use confman_store::codec::wire;
use confman_store::{Answer, EncodedProposal};
use futures::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::propose::{Attempt, Proposer};
use crate::raft::wire::{ForwardAnswer, ForwardFailure, ForwardRequest, ForwardResponse, Frame};

/// Frames that wait for the connection.
const FRAMES: usize = 16;
/// Most answers in one frame.
const BATCH: usize = 256;

/// Writes what comes and answers in the order of the log; frames do not wait for each other.
pub(crate) fn serve(proposer: Proposer, mut frames: Streaming<Frame>) -> impl Stream<Item = Result<Frame, Status>> {
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
            tokio::spawn(write(proposer.clone(), request, answers.clone()));
        }
    });
    ReceiverStream::new(outgoing)
}

async fn write(proposer: Proposer, request: ForwardRequest, answers: mpsc::Sender<Result<Frame, Status>>) {
    let mut ids = Vec::with_capacity(request.items.len());
    let mut proposals = Vec::with_capacity(request.items.len());
    let mut unreadable = Vec::new();
    for item in request.items {
        match EncodedProposal::from_bytes(item.proposal).and_then(|encoded| encoded.decode()) {
            Ok(proposal) => {
                ids.push(item.id);
                proposals.push(proposal);
            }
            Err(error) => unreadable.push(failed(item.id, ForwardFailure::Unspecified, error.to_string())),
        }
    }
    let mut sent = unreadable.is_empty() || send(&answers, unreadable).await;
    let mut attempts = proposer.append_forwarded(proposals).await.ready_chunks(BATCH);
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

async fn send(answers: &mpsc::Sender<Result<Frame, Status>>, items: Vec<ForwardAnswer>) -> bool {
    answers.send(Ok(Frame::of(&ForwardResponse { items }))).await.is_ok()
}

fn item(id: u64, attempt: Attempt) -> ForwardAnswer {
    match attempt {
        Attempt::Answered(answer) => answered(id, &answer),
        Attempt::NotLeader => failed(id, ForwardFailure::NotLeader, String::new()),
        Attempt::Overloaded => failed(id, ForwardFailure::Overloaded, String::new()),
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
