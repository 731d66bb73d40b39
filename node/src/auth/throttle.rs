//! Slows whoever guesses: failed logins are counted per address and per what was presented, in token buckets of bounded
//! number, and looked at before anything expensive is verified. Who succeeded lately is not held up by others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use confman_core::digest::Digest;
use parking_lot::Mutex;

/// One more failure is forgiven each.
const REFILL: Duration = Duration::from_secs(3);
/// Buckets and successes that are remembered, each; what comes beyond shares one bucket.
const MAX_REMEMBERED: usize = 16_384;
/// Failures that all those together may have who are too many to be told apart.
const OVERFLOW_FAILURES: u32 = 1_000;
/// How long a success is remembered.
const SUCCESS_LASTS: Duration = Duration::from_mins(30);

/// A login is not looked at: too many failed before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failed logins; try again in {} s", .retry_after.as_secs())]
pub struct Throttled {
    /// When the next one is looked at.
    pub retry_after: Duration,
}

/// One try to log in.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    address: Digest,
    claimed: Digest,
    pair: Digest,
    credential: Digest,
}

impl Try {
    /// Of `credential`, from `address`; `claimed` is what can be told of it without verifying: the beginning of a key, the
    /// subject of a token.
    pub fn new(address: IpAddr, claimed: &str, credential: &[u8]) -> Self {
        let address = address.to_canonical();
        // A customer of the internet has a whole /64 of addresses.
        let network = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
        };
        let network = format!("{} {network}", address.is_ipv4());
        Self {
            address: Digest::of(format!("address {network}").as_bytes()),
            claimed: Digest::of(format!("claimed {claimed}").as_bytes()),
            pair: Digest::of(format!("pair {network} {claimed}").as_bytes()),
            credential: Digest::of(credential),
        }
    }
}

/// Failed and successful logins of late.
pub struct Throttle {
    memory: Mutex<Memory>,
    /// False while there is no failure to remember: then nobody waits for the lock.
    has_failures: AtomicBool,
}

struct Memory {
    /// Failures that a bucket allows at once.
    capacity: u32,
    buckets: BTreeMap<Digest, Bucket>,
    overflow: Option<Bucket>,
    successes: BTreeMap<Digest, Instant>,
    swept: Option<Instant>,
}

/// Failures that are still allowed, when last counted.
#[derive(Clone, Copy)]
struct Bucket {
    left: u32,
    at: Instant,
}

impl Throttle {
    /// Allows `failures` at once of an address, and for a name.
    pub fn new(failures: u32) -> Self {
        Self {
            memory: Mutex::new(Memory {
                capacity: failures.max(1),
                buckets: BTreeMap::new(),
                overflow: None,
                successes: BTreeMap::new(),
                swept: None,
            }),
            has_failures: AtomicBool::new(false),
        }
    }

    /// Whether the try is looked at. A credential that succeeded lately always is.
    pub fn check(&self, attempt: &Try, now: Instant) -> Result<(), Throttled> {
        if !self.has_failures.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut memory = self.memory.lock();
        memory.forget(now);
        if memory.buckets.is_empty() && memory.overflow.is_none() {
            self.has_failures.store(false, Ordering::Release);
            return Ok(());
        }
        if memory.succeeded_lately(&attempt.credential, now) {
            return Ok(());
        }
        let waits = memory.counted(attempt, now).into_iter().map(|id| memory.wait(id, now));
        match waits.max() {
            Some(retry_after) if !retry_after.is_zero() => Err(Throttled { retry_after }),
            Some(_) | None => Ok(()),
        }
    }

    /// The try failed.
    pub fn failed(&self, attempt: &Try, now: Instant) {
        let mut memory = self.memory.lock();
        for id in memory.counted(attempt, now) {
            memory.take(id, now);
        }
        self.has_failures.store(true, Ordering::Release);
    }

    /// The try succeeded.
    pub fn succeeded(&self, attempt: &Try, now: Instant) {
        let mut memory = self.memory.lock();
        for id in [attempt.credential, attempt.pair] {
            if memory.successes.len() >= MAX_REMEMBERED {
                memory.forget(now);
            }
            if memory.successes.len() < MAX_REMEMBERED || memory.successes.contains_key(&id) {
                memory.successes.insert(id, now);
            }
        }
    }
}

impl Memory {
    fn succeeded_lately(&self, id: &Digest, now: Instant) -> bool {
        let seen = self.successes.get(id);
        seen.is_some_and(|time| now.saturating_duration_since(*time) < SUCCESS_LASTS)
    }

    /// The buckets that a try counts in: a caller who succeeded from there before has one of their own, so that neither
    /// neighbours nor those who use their name elsewhere use it up.
    fn counted(&self, attempt: &Try, now: Instant) -> Vec<Digest> {
        if self.succeeded_lately(&attempt.pair, now) {
            vec![attempt.pair]
        } else {
            vec![attempt.address, attempt.claimed]
        }
    }

    fn wait(&self, id: Digest, now: Instant) -> Duration {
        let known = self.buckets.get(&id).copied();
        let bucket = known.or_else(|| self.overflow.filter(|_| self.buckets.len() >= MAX_REMEMBERED));
        match bucket {
            Some(bucket) if bucket.filled(now, self.capacity).left == 0 => REFILL
                .saturating_sub(now.saturating_duration_since(bucket.at))
                .max(Duration::from_secs(1)),
            Some(_) | None => Duration::ZERO,
        }
    }

    fn take(&mut self, id: Digest, now: Instant) {
        let capacity = self.capacity;
        if let Some(bucket) = self.buckets.get_mut(&id) {
            *bucket = bucket.filled(now, capacity).taken();
        } else if self.buckets.len() < MAX_REMEMBERED {
            let full = Bucket {
                left: capacity,
                at: now,
            };
            self.buckets.insert(id, full.taken());
        } else {
            let full = Bucket {
                left: OVERFLOW_FAILURES,
                at: now,
            };
            let bucket = self.overflow.unwrap_or(full).filled(now, OVERFLOW_FAILURES);
            self.overflow = Some(bucket.taken());
        }
    }

    /// Drops what is as if it had never been; not for every try, since it looks at everything.
    fn forget(&mut self, now: Instant) {
        if self
            .swept
            .is_some_and(|time| now.saturating_duration_since(time) < REFILL)
        {
            return;
        }
        self.swept = Some(now);
        let capacity = self.capacity;
        self.buckets
            .retain(|_, bucket| bucket.filled(now, capacity).left < capacity);
        self.overflow = self
            .overflow
            .filter(|bucket| bucket.filled(now, OVERFLOW_FAILURES).left < OVERFLOW_FAILURES);
        self.successes
            .retain(|_, time| now.saturating_duration_since(*time) < SUCCESS_LASTS);
    }
}

impl Bucket {
    fn filled(self, now: Instant, capacity: u32) -> Self {
        let passed = now.saturating_duration_since(self.at);
        let earned = u32::try_from(passed.as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if earned == 0 {
            return self;
        }
        Self {
            left: self.left.saturating_add(earned).min(capacity),
            // What is earned in part is not lost.
            at: self.at + REFILL * earned,
        }
    }

    fn taken(self) -> Self {
        Self {
            left: self.left.saturating_sub(1),
            at: self.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(20)
    }

    fn attempt(address: &str, claimed: &str, credential: &str) -> Try {
        Try::new(address.parse().expect("an address"), claimed, credential.as_bytes())
    }

    /// Fails until the throttle closes, and says how often.
    fn failures(throttle: &Throttle, now: Instant, mut next: impl FnMut(usize) -> Try) -> usize {
        (0..10_000)
            .take_while(|count| {
                let attempt = next(*count);
                let open = throttle.check(&attempt, now).is_ok();
                if open {
                    throttle.failed(&attempt, now);
                }
                open
            })
            .count()
    }

    #[test]
    fn an_address_that_guesses_is_slowed_and_learns_for_how_long() {
        let (throttle, now) = (self::throttle(), Instant::now());
        let guess = |count| attempt("10.0.0.1", &format!("claimed-{count}"), &format!("guess-{count}"));
        assert_eq!(failures(&throttle, now, guess), 20);
        let refused = throttle.check(&guess(77), now).expect_err("slowed");
        assert!(refused.retry_after <= REFILL && !refused.retry_after.is_zero());
        assert_eq!(
            throttle.check(&attempt("10.0.0.2", "other", "x"), now),
            Ok(()),
            "another address"
        );
        let later = now + REFILL;
        assert_eq!(failures(&throttle, later, guess), 1, "one more failure is forgiven");
        let much_later = now + REFILL * 1_000;
        assert_eq!(failures(&throttle, much_later, guess), 20, "and not more than all");
    }

    #[test]
    fn a_name_that_is_guessed_from_everywhere_is_slowed() {
        let (throttle, now) = (self::throttle(), Instant::now());
        let guess = |count: usize| attempt(&format!("10.0.{}.{}", count / 200, count % 200), "ada", "x");
        assert_eq!(failures(&throttle, now, guess), 20);
    }

    #[test]
    fn who_succeeded_is_not_locked_out_by_neighbours_or_by_who_uses_their_name() {
        let (throttle, now) = (self::throttle(), Instant::now());
        let ada = attempt("10.0.0.1", "ada", "her token");
        throttle.succeeded(&ada, now);
        failures(&throttle, now, |count| {
            attempt("10.0.0.1", &format!("c{count}"), "guess")
        });
        failures(&throttle, now, |count| {
            attempt(&format!("10.1.0.{count}"), "ada", "guess")
        });
        assert_eq!(throttle.check(&ada, now), Ok(()), "the same credential");
        let elsewhere = attempt("10.1.0.1", "ada", "her token");
        assert_eq!(throttle.check(&elsewhere, now), Ok(()), "wherever it comes from");
        let renewed = attempt("10.0.0.1", "ada", "her next token");
        assert_eq!(
            throttle.check(&renewed, now),
            Ok(()),
            "and her next one from the same place"
        );
        let own = |count: usize| attempt("10.0.0.1", "ada", &format!("wrong-{count}"));
        assert_eq!(failures(&throttle, now, own), 20, "which has a limit too");
        assert!(throttle.check(&attempt("10.0.0.1", "bob", "his token"), now).is_err());
    }

    #[test]
    fn an_address_of_version_six_counts_with_its_network() {
        let (throttle, now) = (self::throttle(), Instant::now());
        let guess = |count: usize| attempt(&format!("2001:db8::{count:x}"), &format!("c{count}"), "x");
        assert_eq!(failures(&throttle, now, guess), 20);
        let mapped = attempt("::ffff:10.0.0.1", "a", "b");
        assert_eq!(
            mapped.address,
            attempt("10.0.0.1", "c", "d").address,
            "an IPv4 address in IPv6 form"
        );
    }

    #[test]
    fn memory_is_bounded_whoever_calls() {
        let (throttle, now) = (self::throttle(), Instant::now());
        for count in 0..40_000_u32 {
            let address = std::net::Ipv4Addr::from(count);
            let attempt = Try::new(address.into(), &format!("claimed-{count}"), &count.to_be_bytes());
            throttle.failed(&attempt, now);
            throttle.succeeded(&attempt, now);
        }
        let memory = throttle.memory.lock();
        assert!(memory.buckets.len() <= MAX_REMEMBERED && memory.successes.len() <= MAX_REMEMBERED);
        assert!(
            memory.overflow.is_some_and(|bucket| bucket.left == 0),
            "the rest shares one bucket"
        );
        drop(memory);
        assert!(
            throttle.check(&attempt("11.0.0.1", "new", "new"), now).is_err(),
            "and is slowed together"
        );
        let later = now + SUCCESS_LASTS + REFILL * OVERFLOW_FAILURES;
        assert_eq!(throttle.check(&attempt("11.0.0.1", "new", "new"), later), Ok(()));
        let memory = throttle.memory.lock();
        assert!(
            memory.buckets.is_empty() && memory.successes.is_empty(),
            "everything is forgotten"
        );
    }
}
