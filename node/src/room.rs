//! Room on the volume. Writes are refused before it is full, so that reads, elections and snapshots still have some; the
//! node goes on by itself when there is room again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::raft::report::Reporter;

/// How often the volume is looked at: at full speed a log grows by much less than the reserve in this time.
const INTERVAL: Duration = Duration::from_millis(500);
/// How often a leader asks the others.
const ASK_INTERVAL: Duration = Duration::from_secs(2);
/// A small volume keeps at most this part of itself back.
const LARGEST_PART: u64 = 8;

/// Whether there is room on the volume of this node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Bytes to keep free.
    reserve: u64,
    free: AtomicU64,
    total: AtomicU64,
    is_short: AtomicBool,
    /// Of the volumes of the others, while this node leads: no majority of the voters has room.
    others_are_short: AtomicBool,
}

impl Room {
    /// On the volume with `folder`, of which `reserve` bytes, or an eighth of a small one, stay free.
    ///
    /// # Errors
    /// If the file system cannot be asked.
    pub fn of(folder: &Path, reserve: u64) -> io::Result<Self> {
        let room = Self {
            inner: Arc::new(Inner {
                folder: folder.to_owned(),
                reserve,
                free: AtomicU64::new(0),
                total: AtomicU64::new(0),
                is_short: AtomicBool::new(false),
                others_are_short: AtomicBool::new(false),
            }),
        };
        room.look()?;
        Ok(room)
    }

    /// True while this node writes nothing for others, if it leads.
    pub fn is_short(&self) -> bool {
        self.here_is_short() || self.inner.others_are_short.load(Ordering::Relaxed)
    }

    fn here_is_short(&self) -> bool {
        self.inner.is_short.load(Ordering::Relaxed)
    }

    /// Bytes that were free to the node when it last looked.
    pub fn free_bytes(&self) -> u64 {
        self.inner.free.load(Ordering::Relaxed)
    }

    /// Bytes of the volume.
    pub fn total_bytes(&self) -> u64 {
        self.inner.total.load(Ordering::Relaxed)
    }

    /// Asks the other voters how full their volumes are, while this node leads, until `stop`: a node whose volume is full
    /// stops, and a majority must not.
    pub async fn ask_others(self, reporter: Reporter, leading: watch::Receiver<bool>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(ASK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let others = if *leading.borrow() {
                reporter.other_voters().await
            } else {
                Vec::new()
            };
            let short = others.iter().flatten().filter(|report| {
                let was_short = self.inner.others_are_short.load(Ordering::Relaxed);
                is_short(
                    was_short,
                    report.free_bytes,
                    reserve(report.total_bytes, self.inner.reserve),
                )
            });
            let are_short = are_too_many(short.count(), others.len() + 1);
            if self.inner.others_are_short.swap(are_short, Ordering::Relaxed) != are_short {
                tracing::warn!(
                    are_short,
                    "whether a majority of the nodes has room on their volumes has changed"
                );
            }
        }
    }

    /// Looks again and again, until `stop`.
    pub async fn watch(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let room = self.clone();
            match tokio::task::spawn_blocking(move || room.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the volume cannot be asked how much of it is free"),
                Err(error) => tracing::error!(%error, "the volume cannot be looked at"),
            }
        }
    }

    fn look(&self) -> io::Result<()> {
        let volume = rustix::fs::statvfs(&self.inner.folder)?;
        let free = volume.f_bavail.saturating_mul(volume.f_frsize);
        let total = volume.f_blocks.saturating_mul(volume.f_frsize);
        let reserve = reserve(total, self.inner.reserve);
        self.inner.free.store(free, Ordering::Relaxed);
        self.inner.total.store(total, Ordering::Relaxed);
        let was_short = self.here_is_short();
        let is_short = is_short(was_short, free, reserve);
        self.inner.is_short.store(is_short, Ordering::Relaxed);
        if is_short && !was_short {
            tracing::error!(
                free,
                reserve,
                "the volume is almost full: writes are refused until there is room"
            );
        } else if was_short && !is_short {
            tracing::info!(free, reserve, "there is room on the volume again: writes go on");
        }
        Ok(())
    }
}

fn reserve(volume: u64, wanted: u64) -> u64 {
    wanted.min(volume / LARGEST_PART)
}

/// True if of `voters` no majority is left without the `short` ones. One that does not answer is not known to be short.
fn are_too_many(short: usize, voters: usize) -> bool {
    voters - short <= voters / 2
}

/// A little more than the reserve must be free before writes go on, so that they do not stop again at once.
fn is_short(was_short: bool, free: u64, reserve: u64) -> bool {
    free < if was_short { reserve + reserve / 8 } else { reserve }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_volume_keeps_less_back() {
        assert_eq!(reserve(100 << 30, 256 << 20), 256 << 20);
        assert_eq!(reserve(1 << 30, 256 << 20), 128 << 20);
    }

    #[test]
    fn a_majority_must_have_room() {
        assert!(!are_too_many(0, 1));
        assert!(!are_too_many(1, 3));
        assert!(are_too_many(2, 3));
        assert!(are_too_many(1, 2));
        assert!(!are_too_many(2, 5));
    }

    #[test]
    fn writes_stop_below_the_reserve_and_go_on_a_little_above_it() {
        assert!(!is_short(false, 800, 800));
        assert!(is_short(false, 799, 800));
        assert!(is_short(true, 899, 800));
        assert!(!is_short(true, 900, 800));
    }
}
