//! Leader election by a Lease. Two operators at once are harmless, since every command is idempotent; one is cheaper.
//!
//! A holder that cannot renew stops before others may take over. Clocks are not compared: a lease has ended when its
//! record has not changed for its whole duration, on the monotonic clock of the one who waits.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

/// Name of the Lease.
pub const NAME: &str = "confman-operator";
const DURATION_S: i32 = 15;
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long stops.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
/// One call, of several within the deadline.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// A turn at leading.
pub struct LeaseLock {
    api: Api<Lease>,
    identity: String,
}

/// Why a try did not succeed.
#[derive(Debug, thiserror::Error)]
enum TryError {
    #[error("the API server failed")]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// The record of another holder, and since when it has not changed.
struct Seen {
    spec: LeaseSpec,
    since: Instant,
}

impl LeaseLock {
    /// The Lease in `namespace`, for `identity`. The client must not retry by itself: that would hide a lost lease.
    pub fn new(client: Client, namespace: &str, identity: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity: identity.to_owned(),
        }
    }

    /// Waits until this process leads; false when `stop` came first.
    pub async fn acquire(&self, stop: &CancellationToken) -> bool {
        let mut seen = None;
        loop {
            match self.try_once(&mut seen).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => {
                    let error = crate::context::with_causes(&error);
                    tracing::warn!(error, "the lease could not be acquired; it is tried again");
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
                return false;
            }
        }
    }

    /// Renews until `stop`; returns early when the lease is lost.
    pub async fn hold(&self, stop: &CancellationToken) {
        let mut renewed = Instant::now();
        while stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_some() {
            match self.try_once(&mut None).await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => return,
                Err(error) => {
                    let error = crate::context::with_causes(&error);
                    tracing::warn!(error, "the lease could not be renewed");
                }
            }
            if renewed.elapsed() > RENEW_DEADLINE {
                return;
            }
        }
    }

    /// Gives the lease back, so that another one can begin at once.
    pub async fn release(&self) {
        let released = tokio::time::timeout(CALL_TIMEOUT, async {
            let lease = self.api.get(NAME).await?;
            if holder(&lease) != Some(self.identity.as_str()) {
                return Ok(());
            }
            let mut lease = lease;
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
                spec.lease_duration_seconds = Some(1);
            }
            self.api.replace(NAME, &PostParams::default(), &lease).await.map(|_| ())
        });
        match released.await {
            Ok(Ok(())) => tracing::info!("the lease is released"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be released; it ends by itself"),
            Err(_) => tracing::warn!("the lease could not be released in time; it ends by itself"),
        }
    }

    /// Takes or renews the lease; false if another one holds it.
    async fn try_once(&self, seen: &mut Option<Seen>) -> Result<bool, TryError> {
        tokio::time::timeout(CALL_TIMEOUT, self.try_now(seen)).await?
    }

    async fn try_now(&self, seen: &mut Option<Seen>) -> Result<bool, TryError> {
        let Some(lease) = self.api.get_opt(NAME).await? else {
            let written = self.api.create(&PostParams::default(), &self.record(None)).await;
            return won(written);
        };
        if !self.may_take(&lease, seen) {
            return Ok(false);
        }
        let record = self.record(Some(&lease));
        // The resource version makes sure that nobody else has taken it since it was read.
        won(self.api.replace(NAME, &PostParams::default(), &record).await)
    }

    fn may_take(&self, lease: &Lease, seen: &mut Option<Seen>) -> bool {
        let spec = lease.spec.clone().unwrap_or_default();
        match holder(lease) {
            None => true,
            Some(name) if name == self.identity => true,
            Some(_) => match seen {
                Some(known) if known.spec == spec => known.since.elapsed() > DURATION,
                Some(_) | None => {
                    *seen = Some(Seen {
                        spec,
                        since: Instant::now(),
                    });
                    false
                }
            },
        }
    }

    fn record(&self, present: Option<&Lease>) -> Lease {
        let now = MicroTime(jiff::Timestamp::now());
        let spec = present.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_renewal = spec.holder_identity.as_deref() == Some(self.identity.as_str());
        let metadata = present.map_or_else(
            || ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata.clone(),
        );
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(DURATION_S),
                acquire_time: if is_renewal {
                    spec.acquire_time
                } else {
                    Some(now.clone())
                },
                renew_time: Some(now),
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!is_renewal)),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

fn won(written: kube::Result<Lease>) -> Result<bool, TryError> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error.into()),
    }
}
