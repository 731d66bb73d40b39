//! The stream to one leader. What was sent when it breaks has an unknown outcome; what was not is simply not written.

use std::collections::BTreeMap;
use std::time::Duration;

use confman_store::codec::wire;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::Job;
use crate::propose::Attempt;
use crate::raft::call_error::CallError;
use crate::raft::peers::Client;
use crate::raft::wire::{ForwardAnswer, ForwardFailure, ForwardItem, ForwardRequest, ForwardResponse, Frame};

const SETUP_TIMEOUT: Duration = Duration::from_secs(3);
/// Most writes in one frame.
const BATCH: usize = 256;
/// A frame is closed when it has this many bytes of proposals.
const BATCH_BYTES: usize = 1 << 20;
/// Frames that wait for the connection.
const FRAMES: usize = 16;

/// Sends what comes through `queue` until `stop`; opens the stream again when it broke and there is something to send.
pub(super) async fn run(client: Client, mut queue: mpsc::Receiver<Job>, stop: CancellationToken) {
    let mut jobs = Vec::new();
    loop {
        if jobs.is_empty() && !receive(&mut queue, &mut jobs, &stop).await {
            return;
        }
        match open(client.clone()).await {
            Ok((frames, answers)) => {
                let unanswered = Unanswered::default();
                let broken = CancellationToken::new();
                // Each ends the other: reading sets `broken`, writing closes the sending half of the stream.
                let reading = read(answers, &unanswered, &broken);
                let writing = write(frames, &mut queue, (&mut jobs, &unanswered), &broken);
                tokio::select! {
                    _ = futures::future::join(reading, writing) => {}
                    () = stop.cancelled() => return,
                }
            }
            // Nothing was sent: whoever waits looks for a leader again.
            Err(_) => jobs.drain(..).for_each(|job| reply(job.answer, Attempt::NotLeader)),
        }
    }
}

async fn receive(queue: &mut mpsc::Receiver<Job>, jobs: &mut Vec<Job>, stop: &CancellationToken) -> bool {
    tokio::select! {
        count = queue.recv_many(jobs, BATCH) => count > 0,
        () = stop.cancelled() => false,
    }
}

async fn open(mut client: Client) -> Result<(mpsc::Sender<Frame>, Streaming<Frame>), CallError> {
    let (frames, outgoing) = mpsc::channel(FRAMES);
    let opening = client.forward(ReceiverStream::new(outgoing));
    match tokio::time::timeout(SETUP_TIMEOUT, opening).await {
        Ok(Ok(response)) => Ok((frames, response.into_inner())),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(CallError::NotConnected("no answer".to_owned())),
    }
}

/// Writes that were sent and not answered.
#[derive(Default)]
struct Unanswered {
    state: Mutex<UnansweredState>,
}

#[derive(Default)]
struct UnansweredState {
    answers: BTreeMap<u64, oneshot::Sender<Attempt>>,
    next_id: u64,
    /// Set when the stream has ended: nothing may be added that nobody would answer.
    closed: bool,
}

impl Unanswered {
    /// Takes jobs up to a frame's worth; none if the stream has ended.
    fn frame(&self, jobs: &mut Vec<Job>) -> Option<Frame> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        let count = frames_worth(jobs);
        let mut items = Vec::with_capacity(count);
        for Job { write, answer } in jobs.drain(..count) {
            let id = state.next_id;
            state.next_id += 1;
            state.answers.insert(id, answer);
            items.push(ForwardItem::new(id, write));
        }
        Some(Frame::of(&ForwardRequest { items }))
    }

    fn answer(&self, response: ForwardResponse) {
        let mut state = self.state.lock();
        for item in response.items {
            if let Some(answer) = state.answers.remove(&item.id) {
                reply(answer, attempt(item));
            }
        }
    }

    fn close(&self, reason: &str) {
        let mut state = self.state.lock();
        state.closed = true;
        for (_, answer) in std::mem::take(&mut state.answers) {
            reply(answer, Attempt::Unknown(reason.to_owned()));
        }
    }
}

/// How many of `jobs` one frame takes: at least one, so that a proposal larger than a frame's worth goes alone.
fn frames_worth(jobs: &[Job]) -> usize {
    let mut bytes = 0;
    let fits = |job: &&Job| {
        bytes += job.write.proposal.len();
        bytes <= BATCH_BYTES
    };
    jobs.iter().take_while(fits).count().max(1).min(jobs.len())
}

/// Sends what comes until the stream or the queue ends.
async fn write(
    frames: mpsc::Sender<Frame>,
    queue: &mut mpsc::Receiver<Job>,
    (jobs, unanswered): (&mut Vec<Job>, &Unanswered),
    broken: &CancellationToken,
) {
    loop {
        while !jobs.is_empty() {
            let Some(frame) = unanswered.frame(jobs) else {
                return;
            };
            let sent = tokio::select! {
                sent = frames.send(frame) => sent.is_ok(),
                () = broken.cancelled() => false,
            };
            if !sent {
                return;
            }
        }
        let more = tokio::select! {
            count = queue.recv_many(jobs, BATCH) => count > 0,
            () = broken.cancelled() => false,
        };
        if !more {
            return;
        }
    }
}

/// Hands answers out until the stream ends.
async fn read(mut answers: Streaming<Frame>, unanswered: &Unanswered, broken: &CancellationToken) {
    let reason = loop {
        match answers.next().await {
            Some(Ok(frame)) => match frame.read() {
                Ok(response) => unanswered.answer(response),
                Err(status) => break status.message().to_owned(),
            },
            Some(Err(status)) => break CallError::from(status).to_string(),
            None => break "the leader closed the stream".to_owned(),
        }
    };
    unanswered.close(&reason);
    broken.cancel();
}

fn attempt(item: ForwardAnswer) -> Attempt {
    let failure = item.failure();
    match (item.answer, failure) {
        (Some(answer), _) => match wire::decode_answer(answer) {
            Ok(answer) => Attempt::Answered(answer),
            Err(error) => Attempt::Unknown(error.to_string()),
        },
        (None, ForwardFailure::NotLeader) => Attempt::NotLeader,
        (None, ForwardFailure::Overloaded) => Attempt::Overloaded,
        (None, ForwardFailure::StorageFull) => Attempt::StorageFull,
        (None, ForwardFailure::Unauthorized) => Attempt::Unauthorized(item.detail),
        (None, ForwardFailure::Unknown | ForwardFailure::Unspecified) => Attempt::Unknown(item.detail),
    }
}

fn reply(answer: oneshot::Sender<Attempt>, attempt: Attempt) {
    // Whoever has given up needs no answer.
    let _ = answer.send(attempt);
}
