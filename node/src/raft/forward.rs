//! Writes on their way from a follower to the leader.

use std::time::Duration;

use bytes::Bytes;
use confman_api::limits;
use confman_core::proposal::Proposal;
use confman_store::codec::wire;
use confman_store::types::NodeId;
use confman_store::{EncodedProposal, Member};
use tonic::Status;

use super::call_error::CallError;
use super::peers::Peers;
use super::wire::{ForwardFailure, ForwardResponse, Frame};
use crate::propose::{Attempt, Proposer};

/// The leader answers within [`limits::WRITE_TIME`] itself; this is for a leader that does not answer at all.
const MARGIN: Duration = Duration::from_secs(2);

/// Asks the leader `id` to write `proposal`.
pub(crate) async fn send(peers: &Peers, id: NodeId, member: &Member, proposal: &Proposal) -> Attempt {
    let Some(mut clients) = peers.member(id, member) else {
        return Attempt::NotLeader;
    };
    let frame = Frame::new(EncodedProposal::encode(proposal).as_bytes().clone());
    let limit = Duration::from_millis(limits::WRITE_TIME.value as u64) + MARGIN;
    match tokio::time::timeout(limit, clients.forward.forward(frame)).await {
        Ok(Ok(response)) => read(response.into_inner()),
        Ok(Err(status)) => failed(&status.into()),
        Err(_) => Attempt::Unknown(format!("the leader did not answer within {} ms", limit.as_millis())),
    }
}

/// Writes what a follower sent.
pub(crate) async fn serve(proposer: &Proposer, body: Bytes) -> Result<ForwardResponse, Status> {
    let undecodable = |error| Status::invalid_argument(format!("cannot decode the proposal: {error}"));
    let proposal = EncodedProposal::from_bytes(body)
        .and_then(|encoded| encoded.decode())
        .map_err(undecodable)?;
    let failure = |failure: ForwardFailure, detail: String| ForwardResponse {
        answer: None,
        failure: failure.into(),
        detail,
    };
    Ok(match proposer.append_forwarded(proposal).await {
        Attempt::Answered(answer) => ForwardResponse {
            answer: Some(wire::encode_answer(&answer)),
            failure: ForwardFailure::Unspecified.into(),
            detail: String::new(),
        },
        Attempt::NotLeader => failure(ForwardFailure::NotLeader, String::new()),
        Attempt::Overloaded => failure(ForwardFailure::Overloaded, String::new()),
        Attempt::Unknown(detail) => failure(ForwardFailure::Unknown, detail),
    })
}

fn read(frame: Frame) -> Attempt {
    let response: ForwardResponse = match frame.read() {
        Ok(response) => response,
        Err(status) => return Attempt::Unknown(status.message().to_owned()),
    };
    let failure = response.failure();
    match (response.answer, failure) {
        (Some(answer), _) => match wire::decode_answer(answer) {
            Ok(answer) => Attempt::Answered(answer),
            Err(error) => Attempt::Unknown(error.to_string()),
        },
        (None, ForwardFailure::NotLeader) => Attempt::NotLeader,
        (None, ForwardFailure::Overloaded) => Attempt::Overloaded,
        (None, ForwardFailure::Unknown | ForwardFailure::Unspecified) => Attempt::Unknown(response.detail),
    }
}

fn failed(error: &CallError) -> Attempt {
    if error.had_no_effect() {
        Attempt::NotLeader
    } else {
        Attempt::Unknown(error.to_string())
    }
}
