//! Why a call to a peer failed, and what openraft makes of it.

use std::fmt;

use confman_store::{CodecError, TypeConfig};
use openraft::AnyError;
use openraft::errors::{NetworkError, RPCError, StreamingError, Unreachable};
use tonic::{Code, Status};

/// Why a call to a peer failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// There is no connection: nothing was sent.
    NotConnected(String),
    /// The peer is another node, of another cluster, or speaks another protocol: it has not looked at the body.
    Refused(String),
    /// Anything else; the peer may have acted.
    Broken(String),
}

impl CallError {
    /// True if the peer certainly did nothing.
    pub fn had_no_effect(&self) -> bool {
        match self {
            Self::NotConnected(_) | Self::Refused(_) => true,
            Self::Broken(_) => false,
        }
    }

    /// What kind it is, for comparing.
    pub const fn kind(&self) -> u8 {
        match self {
            Self::NotConnected(_) => 1,
            Self::Refused(_) => 2,
            Self::Broken(_) => 3,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(text) => write!(formatter, "no connection: {text}"),
            Self::Refused(text) => write!(formatter, "refused: {text}"),
            Self::Broken(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for CallError {}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        if let Some(reason) = connect_error(&status) {
            Self::NotConnected(reason)
        } else if status.code() == Code::FailedPrecondition {
            Self::Refused(status.message().to_owned())
        } else {
            Self::Broken(format!("{:?}: {}", status.code(), status.message()))
        }
    }
}

impl From<CodecError> for CallError {
    fn from(error: CodecError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// Only what will not be better at once makes openraft back off: no connection, or a peer that is somebody else.
impl From<CallError> for RPCError<TypeConfig> {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotConnected(_) | CallError::Refused(_) => {
                Self::Unreachable(Unreachable::new(&AnyError::new(&error)))
            }
            CallError::Broken(_) => Self::Network(NetworkError::new(&AnyError::new(&error))),
        }
    }
}

impl From<CallError> for StreamingError<TypeConfig> {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NotConnected(_) | CallError::Refused(_) => {
                Self::Unreachable(Unreachable::new(&AnyError::new(&error)))
            }
            CallError::Broken(_) => Self::Network(NetworkError::new(&AnyError::new(&error))),
        }
    }
}

/// The reason, if the request never left this node.
fn connect_error(status: &Status) -> Option<String> {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if let Some(connect) = error.downcast_ref::<tonic::ConnectError>() {
            return Some(connect.to_string());
        }
        cause = error.source();
    }
    None
}
