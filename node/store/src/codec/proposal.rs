//! Proposals as messages: one tag for each command.

use confman_core::proposal::{Command, Proposal, RegisterStampKey};

use super::command::{
    DeclareNamespaceBody, InitialiseClusterBody, PutEntryBody, ReleaseNamespaceBody, ReviewRequestBody,
    SubmitRequestBody, WithdrawRequestBody,
};
use super::field::time;
use super::stamp::SignedStampKeyBody;
use super::{CodecError, Kind, Record};

/// A [`Proposal`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProposalBody {
    #[prost(int64, tag = "1")]
    proposed_at: i64,
    #[prost(string, optional, tag = "2")]
    trace_id: Option<String>,
    #[prost(oneof = "CommandBody", tags = "16, 17, 18, 19, 20, 21, 22, 23, 24")]
    command: Option<CommandBody>,
}

/// A [`Command`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum CommandBody {
    /// [`Command::InitialiseCluster`].
    #[prost(message, tag = "16")]
    InitialiseCluster(InitialiseClusterBody),
    /// [`Command::RegisterStampKey`].
    #[prost(message, tag = "17")]
    RegisterStampKey(SignedStampKeyBody),
    /// [`Command::DeclareNamespace`].
    #[prost(message, tag = "18")]
    DeclareNamespace(Box<DeclareNamespaceBody>),
    /// [`Command::ReleaseNamespace`].
    #[prost(message, tag = "19")]
    ReleaseNamespace(ReleaseNamespaceBody),
    /// [`Command::SubmitRequest`].
    #[prost(message, tag = "20")]
    SubmitRequest(Box<SubmitRequestBody>),
    /// [`Command::ApproveRequest`].
    #[prost(message, tag = "21")]
    ApproveRequest(ReviewRequestBody),
    /// [`Command::RejectRequest`].
    #[prost(message, tag = "22")]
    RejectRequest(ReviewRequestBody),
    /// [`Command::WithdrawRequest`].
    #[prost(message, tag = "23")]
    WithdrawRequest(WithdrawRequestBody),
    /// [`Command::PutEntry`].
    #[prost(message, tag = "24")]
    PutEntry(Box<PutEntryBody>),
}

impl Record for Proposal {
    const KIND: Kind = Kind::Proposal;
    type Body = ProposalBody;

    fn to_body(&self) -> ProposalBody {
        let Self {
            proposed_at,
            trace_id,
            command,
        } = self;
        ProposalBody {
            proposed_at: proposed_at.as_millis(),
            trace_id: trace_id.clone(),
            command: Some(command.into()),
        }
    }

    fn from_body(body: ProposalBody) -> Result<Self, CodecError> {
        let ProposalBody {
            proposed_at,
            trace_id,
            command,
        } = body;
        // A command that this binary does not know decodes as none at all; the envelope's version should have said so.
        let command = command.ok_or(CodecError::UnknownVariant {
            what: "command",
            found: 0,
        })?;
        Ok(Self {
            proposed_at: time(proposed_at),
            trace_id,
            command: command.try_into()?,
        })
    }

    /// A new command, or a field that changes what an old one does, gets the cluster version it came with.
    fn min_cluster_version(&self) -> u16 {
        match &self.command {
            Command::InitialiseCluster(_)
            | Command::RegisterStampKey(_)
            | Command::DeclareNamespace(_)
            | Command::ReleaseNamespace(_)
            | Command::SubmitRequest(_)
            | Command::ApproveRequest(_)
            | Command::RejectRequest(_)
            | Command::WithdrawRequest(_)
            | Command::PutEntry(_) => 1,
        }
    }
}

impl From<&Command> for CommandBody {
    fn from(command: &Command) -> Self {
        match command {
            Command::InitialiseCluster(command) => Self::InitialiseCluster(command.into()),
            Command::RegisterStampKey(RegisterStampKey { key }) => Self::RegisterStampKey(key.into()),
            Command::DeclareNamespace(command) => Self::DeclareNamespace(Box::new(command.into())),
            Command::ReleaseNamespace(command) => Self::ReleaseNamespace(command.into()),
            Command::SubmitRequest(command) => Self::SubmitRequest(Box::new(command.into())),
            Command::ApproveRequest(command) => Self::ApproveRequest(command.into()),
            Command::RejectRequest(command) => Self::RejectRequest(command.into()),
            Command::WithdrawRequest(command) => Self::WithdrawRequest(command.into()),
            Command::PutEntry(command) => Self::PutEntry(Box::new(command.into())),
        }
    }
}

impl TryFrom<CommandBody> for Command {
    type Error = CodecError;
    fn try_from(body: CommandBody) -> Result<Self, CodecError> {
        Ok(match body {
            CommandBody::InitialiseCluster(body) => Self::InitialiseCluster(body.try_into()?),
            CommandBody::RegisterStampKey(body) => Self::RegisterStampKey(RegisterStampKey { key: body.try_into()? }),
            CommandBody::DeclareNamespace(body) => Self::DeclareNamespace((*body).try_into()?),
            CommandBody::ReleaseNamespace(body) => Self::ReleaseNamespace(body.try_into()?),
            CommandBody::SubmitRequest(body) => Self::SubmitRequest((*body).try_into()?),
            CommandBody::ApproveRequest(body) => Self::ApproveRequest(body.try_into()?),
            CommandBody::RejectRequest(body) => Self::RejectRequest(body.try_into()?),
            CommandBody::WithdrawRequest(body) => Self::WithdrawRequest(body.try_into()?),
            CommandBody::PutEntry(body) => Self::PutEntry((*body).try_into()?),
        })
    }
}
