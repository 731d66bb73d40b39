//! The one-way switch for "this node's storage can no longer be trusted".

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::sync::watch;

/// Why the storage stopped. The process must end: a failed fsync is never tried again, because the kernel may have
/// dropped the pages that it could not write (see PostgreSQL's "fsyncgate", 2018).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageFault {
    step: &'static str,
    detail: Arc<str>,
}

impl fmt::Display for StorageFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the storage failed to {}: {}", self.step, self.detail)
    }
}

impl std::error::Error for StorageFault {}

impl From<StorageFault> for io::Error {
    fn from(fault: StorageFault) -> Self {
        Self::other(fault)
    }
}

/// Shared by everything that writes, and by the node, which ends the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FaultHandle {
    sender: Arc<watch::Sender<Option<StorageFault>>>,
}

impl FaultHandle {
    pub(crate) fn new() -> Self {
        Self {
            sender: Arc::new(watch::Sender::new(None)),
        }
    }

    /// The fault, if there was one.
    pub fn current(&self) -> Option<StorageFault> {
        self.sender.borrow().clone()
    }

    /// Returns once there is a fault; never, if there is none.
    pub async fn wait(&self) -> StorageFault {
        let mut receiver = self.sender.subscribe();
        loop {
            if let Some(fault) = receiver.borrow_and_update().clone() {
                return fault;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Records a fault. The first one stays.
    pub(crate) fn raise(&self, step: &'static str, detail: &impl ToString) -> StorageFault {
        let fault = StorageFault {
            step,
            detail: detail.to_string().into(),
        };
        tracing::error!(step, detail = &*fault.detail, "storage fault; the process must end");
        let mut standing = fault.clone();
        self.sender.send_if_modified(|current| {
            standing = current.get_or_insert(fault).clone();
            true
        });
        standing
    }

    /// Nothing more is accepted after a fault.
    pub(crate) fn check(&self) -> Result<(), StorageFault> {
        match self.current() {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}
