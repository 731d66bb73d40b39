//! Backups.

use confman_core::ids::Timestamp;
use prometheus_client::metrics::counter::Counter;

use super::register::{Level, Register, set};

pub(super) struct BackupMetrics {
    last_at: Level,
    last_bytes: Level,
    failures: Counter,
}

impl BackupMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            last_at: register.level(
                "backup_last_timestamp_seconds",
                "When the newest complete backup was begun, as Unix time; 0 where none was taken or looked for.",
            ),
            last_bytes: register.level("backup_last_bytes", "Size of the newest complete backup."),
            failures: register.counter("backup_failures", "Backups that could not be taken since the start."),
        }
    }

    pub(super) fn taken(&self, at: Timestamp, bytes: u64) {
        set(&self.last_at, u64::try_from(at.as_millis() / 1000).unwrap_or(0));
        set(&self.last_bytes, bytes);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }
}
