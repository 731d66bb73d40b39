//! Proposals as messages: one tag for each command.

use confman_core::idempotency::Idempotency;
use confman_core::proposal::{Command, Proposal, RegisterStampKey};

use super::command::{
    DeclareNamespaceBody, InitialiseClusterBody, PutEntryBody, ReleaseNamespaceBody, ReviewRequestBody,
    SubmitRequestBody, WithdrawRequestBody,
};
use super::document::DocumentBody;
use super::field::{digest_bytes, optional_digest, time};
use super::stamp::SignedStampKeyBody;
use super::{CodecError, Kind, Record};

/// A [`Proposal`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProposalBody {
    #[prost(int64, tag = "1")]
    proposed_at: i64,
    #[prost(string, optional, tag = "2")]
    trace_id: Option<String>,
    #[prost(bytes = "vec", optional, tag = "3")]
    idempotency_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "4")]
    fingerprint: Option<Vec<u8>>,
    #[prost(
        oneof = "CommandBody",
        tags = "16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42"
    )]
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
    /// [`Command::DeleteEntry`].
    #[prost(message, tag = "25")]
    DeleteEntry(DocumentBody),
    /// [`Command::PutDraft`].
    #[prost(message, tag = "26")]
    PutDraft(DocumentBody),
    /// [`Command::DeleteDraft`].
    #[prost(message, tag = "27")]
    DeleteDraft(DocumentBody),
    /// [`Command::OpenRequest`].
    #[prost(message, tag = "28")]
    OpenRequest(DocumentBody),
    /// [`Command::RollBackEntry`].
    #[prost(message, tag = "29")]
    RollBackEntry(DocumentBody),
    /// [`Command::PutNamespace`].
    #[prost(message, tag = "30")]
    PutNamespace(DocumentBody),
    /// [`Command::DeleteNamespace`].
    #[prost(message, tag = "31")]
    DeleteNamespace(DocumentBody),
    /// [`Command::DescribeEntry`].
    #[prost(message, tag = "32")]
    DescribeEntry(DocumentBody),
    /// [`Command::PutSchema`].
    #[prost(message, tag = "33")]
    PutSchema(DocumentBody),
    /// [`Command::SetIdentity`].
    #[prost(message, tag = "34")]
    SetIdentity(DocumentBody),
    /// [`Command::IssueApiKey`].
    #[prost(message, tag = "35")]
    IssueApiKey(DocumentBody),
    /// [`Command::RevokeApiKey`].
    #[prost(message, tag = "36")]
    RevokeApiKey(DocumentBody),
    /// [`Command::RecordDelivery`].
    #[prost(message, tag = "37")]
    RecordDelivery(DocumentBody),
    /// [`Command::PublishApproved`].
    #[prost(message, tag = "38")]
    PublishApproved(ReviewRequestBody),
    /// [`Command::NoteRotation`].
    #[prost(message, tag = "39")]
    NoteRotation(DocumentBody),
    /// [`Command::AddStampKey`].
    #[prost(message, tag = "40")]
    AddStampKey(DocumentBody),
    /// [`Command::RecoverCluster`].
    #[prost(message, tag = "41")]
    RecoverCluster(DocumentBody),
    /// [`Command::CompareReplicas`].
    #[prost(message, tag = "42")]
    CompareReplicas(DocumentBody),
}

impl Record for Proposal {
    const KIND: Kind = Kind::Proposal;
    type Body = ProposalBody;

    fn to_body(&self) -> ProposalBody {
        let Self {
            proposed_at,
            trace_id,
            idempotency,
            command,
        } = self;
        ProposalBody {
            proposed_at: proposed_at.as_millis(),
            trace_id: trace_id.clone(),
            idempotency_key: idempotency.map(|asked| digest_bytes(asked.key)),
            fingerprint: idempotency.map(|asked| digest_bytes(asked.fingerprint)),
            command: Some(command.into()),
        }
    }

    fn from_body(body: ProposalBody) -> Result<Self, CodecError> {
        let ProposalBody {
            proposed_at,
            trace_id,
            idempotency_key,
            fingerprint,
            command,
        } = body;
        // A command that this binary does not know decodes as none at all; the envelope's version should have said so.
        let command = command.ok_or(CodecError::UnknownVariant {
            what: "command",
            found: 0,
        })?;
        let key = optional_digest(idempotency_key.as_deref(), "proposal.idempotencyKey")?;
        let fingerprint = optional_digest(fingerprint.as_deref(), "proposal.fingerprint")?;
        let idempotency = key
            .zip(fingerprint)
            .map(|(key, fingerprint)| Idempotency { key, fingerprint });
        Ok(Self {
            proposed_at: time(proposed_at),
            trace_id,
            idempotency,
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
            | Command::PutEntry(_)
            | Command::DeleteEntry(_)
            | Command::PutDraft(_)
            | Command::DeleteDraft(_)
            | Command::OpenRequest(_)
            | Command::RollBackEntry(_)
            | Command::PutNamespace(_)
            | Command::DeleteNamespace(_)
            | Command::DescribeEntry(_)
            | Command::PutSchema(_)
            | Command::SetIdentity(_)
            | Command::AddStampKey(_)
            | Command::IssueApiKey(_)
            | Command::RevokeApiKey(_)
            | Command::RecordDelivery(_)
            | Command::PublishApproved(_)
            | Command::NoteRotation(_)
            | Command::RecoverCluster(_)
            | Command::CompareReplicas(_) => 1,
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
            Command::DeleteEntry(command) => Self::DeleteEntry(DocumentBody::of(command)),
            Command::PutDraft(command) => Self::PutDraft(DocumentBody::of(command)),
            Command::DeleteDraft(command) => Self::DeleteDraft(DocumentBody::of(command)),
            Command::OpenRequest(command) => Self::OpenRequest(DocumentBody::of(command)),
            Command::RollBackEntry(command) => Self::RollBackEntry(DocumentBody::of(command)),
            Command::PutNamespace(command) => Self::PutNamespace(DocumentBody::of(command)),
            Command::DeleteNamespace(command) => Self::DeleteNamespace(DocumentBody::of(command)),
            Command::DescribeEntry(command) => Self::DescribeEntry(DocumentBody::of(command)),
            Command::PutSchema(command) => Self::PutSchema(DocumentBody::of(command)),
            Command::SetIdentity(command) => Self::SetIdentity(DocumentBody::of(command)),
            Command::AddStampKey(command) => Self::AddStampKey(DocumentBody::of(command)),
            Command::IssueApiKey(command) => Self::IssueApiKey(DocumentBody::of(command)),
            Command::RevokeApiKey(command) => Self::RevokeApiKey(DocumentBody::of(command)),
            Command::RecordDelivery(command) => Self::RecordDelivery(DocumentBody::of(command)),
            Command::PublishApproved(command) => Self::PublishApproved(command.into()),
            Command::NoteRotation(command) => Self::NoteRotation(DocumentBody::of(command)),
            Command::RecoverCluster(command) => Self::RecoverCluster(DocumentBody::of(command)),
            Command::CompareReplicas(command) => Self::CompareReplicas(DocumentBody::of(command)),
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
            CommandBody::DeleteEntry(body) => Self::DeleteEntry(body.read("command.deleteEntry")?),
            CommandBody::PutDraft(body) => Self::PutDraft(body.read("command.putDraft")?),
            CommandBody::DeleteDraft(body) => Self::DeleteDraft(body.read("command.deleteDraft")?),
            CommandBody::OpenRequest(body) => Self::OpenRequest(body.read("command.openRequest")?),
            CommandBody::RollBackEntry(body) => Self::RollBackEntry(body.read("command.rollBackEntry")?),
            CommandBody::PutNamespace(body) => Self::PutNamespace(body.read("command.putNamespace")?),
            CommandBody::DeleteNamespace(body) => Self::DeleteNamespace(body.read("command.deleteNamespace")?),
            CommandBody::DescribeEntry(body) => Self::DescribeEntry(body.read("command.describeEntry")?),
            CommandBody::PutSchema(body) => Self::PutSchema(body.read("command.putSchema")?),
            CommandBody::SetIdentity(body) => Self::SetIdentity(body.read("command.setIdentity")?),
            CommandBody::AddStampKey(body) => Self::AddStampKey(body.read("command.addStampKey")?),
            CommandBody::IssueApiKey(body) => Self::IssueApiKey(body.read("command.issueApiKey")?),
            CommandBody::RevokeApiKey(body) => Self::RevokeApiKey(body.read("command.revokeApiKey")?),
            CommandBody::RecordDelivery(body) => Self::RecordDelivery(body.read("command.recordDelivery")?),
            CommandBody::PublishApproved(body) => Self::PublishApproved(body.try_into()?),
            CommandBody::NoteRotation(body) => Self::NoteRotation(body.read("command.noteRotation")?),
            CommandBody::RecoverCluster(body) => Self::RecoverCluster(body.read("command.recoverCluster")?),
            CommandBody::CompareReplicas(body) => Self::CompareReplicas(body.read("command.compareReplicas")?),
        })
    }
}
