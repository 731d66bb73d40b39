//! Sends webhooks: the leader takes due deliveries from the replicated outbox, makes one attempt each, and proposes what
//! came of it. At least once: an attempt whose result was not written in time is made again, by this leader or the next.
//!
//! Nothing waits for it: a publish puts its deliveries into the outbox in the same write, and is done.

pub mod address;
pub mod lanes;
pub mod outbox;
pub mod payload;
pub mod resolve;
pub mod secret;
pub mod send;
pub mod status;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confman_core::webhook::{Delivery, DeliveryResult, FailureCause, WebhookFormat};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::propose::now;
use crate::tls::TlsError;

use self::address::AddressRules;
use self::lanes::{Lanes, Target, target_of};
use self::outbox::{Outbox, OutboxError};
use self::resolve::Names;
use self::secret::{SecretError, Secrets};
use self::send::{Message, Sender, trusted_roots};

/// Shortest pause between two looks at the outbox, however much is written.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// A pause is this many times as long as the look before it, so that a long outbox costs a tenth of one core.
const PAUSES_PER_LOOK: u32 = 10;
/// Longest time without a look: rests end, and retries fall due.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What webhooks are sent with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder of secret files; without one no target can be sent to.
    pub secrets_folder: Option<PathBuf>,
    /// Which addresses are connected to.
    pub addresses: AddressRules,
    /// PEM file with the CAs that vouch for receivers; none for the system's.
    pub ca_file: Option<PathBuf>,
}

/// The sender of one node; idle while another node leads. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    secrets_folder: Option<PathBuf>,
    sender: Sender,
    outbox: Outbox,
    metrics: Metrics,
}

/// Why there is nothing to send.
enum Unsent {
    /// This is the result of the attempt.
    Result(FailureCause),
    /// The state cannot be read: there is no result.
    Fault(OutboxError),
}

impl From<OutboxError> for Unsent {
    fn from(error: OutboxError) -> Self {
        Self::Fault(error)
    }
}

impl Service {
    /// A sender for `outbox`.
    ///
    /// # Errors
    /// The CA file cannot be used.
    pub fn new(options: Options, outbox: Outbox, metrics: Metrics) -> Result<Self, TlsError> {
        let roots = trusted_roots(options.ca_file.as_deref())?;
        let inner = Inner {
            secrets_folder: options.secrets_folder,
            sender: Sender::new(Names::system(), options.addresses, roots)?,
            outbox,
            metrics,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sends while `leads` says so, until `stop`; what is under way when leadership is lost is dropped at once.
    pub async fn run(self, mut leads: watch::Receiver<bool>, stop: CancellationToken) {
        loop {
            tokio::select! {
                leading = leads.wait_for(|leads| *leads) => if leading.is_err() { return },
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = self.send_while_leading() => {}
                following = leads.wait_for(|leads| !*leads) => if following.is_err() { return },
                () = stop.cancelled() => return,
            }
            self.inner.metrics.webhook_outbox(0, 0);
        }
    }

    /// Never ends by itself.
    async fn send_while_leading(&self) {
        self.inner.outbox.catch_up().await;
        let mut applied = self.inner.outbox.watch_applied();
        let mut lanes = Lanes::default();
        let mut attempts = JoinSet::new();
        let mut targets: HashMap<Id, Target> = HashMap::new();
        loop {
            applied.mark_unchanged();
            let looking = Instant::now();
            let due = self.due(&mut lanes).await;
            let pause = LOOK_PAUSE.max(looking.elapsed() * PAUSES_PER_LOOK);
            for delivery in due {
                let target = target_of(&delivery);
                let attempt = self.clone().attempt(delivery);
                targets.insert(attempts.spawn(attempt).id(), target);
            }
            tokio::select! {
                Some(ended) = attempts.join_next_with_id() => note(ended, &mut targets, &mut lanes),
                changed = applied.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = tokio::time::sleep(LONGEST_WAIT) => {}
            }
            tokio::time::sleep(pause).await;
            while let Some(ended) = attempts.try_join_next_with_id() {
                note(ended, &mut targets, &mut lanes);
            }
        }
    }

    async fn due(&self, lanes: &mut Lanes) -> Vec<Delivery> {
        let pending = match self.inner.outbox.pending().await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!(%error, "the webhook outbox cannot be read");
                return Vec::new();
            }
        };
        let instant = Instant::now();
        lanes.forget_all_but(&pending.first, instant);
        self.inner.metrics.webhook_outbox(pending.count, lanes.failing());
        lanes.start(pending.due(now()), instant)
    }

    /// Makes one attempt and writes its result; true if the target took it and that is written.
    async fn attempt(self, delivery: Delivery) -> bool {
        let result = match self.send(&delivery).await {
            Ok(result) => result,
            Err(Unsent::Result(cause)) => DeliveryResult::Failed { cause },
            Err(Unsent::Fault(error)) => {
                tracing::error!(delivery = delivery.id, %error, "a webhook cannot be built");
                return false;
            }
        };
        self.inner.metrics.webhook_attempt(result);
        tracing::debug!(delivery = delivery.id, %result, "webhook attempt");
        match self.inner.outbox.record(&delivery, result).await {
            Ok(()) => matches!(result, DeliveryResult::Delivered { .. }),
            Err(error) => {
                tracing::warn!(delivery = delivery.id, %error, "a webhook attempt is not recorded; it is made again");
                false
            }
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<DeliveryResult, Unsent> {
        let outbox = &self.inner.outbox;
        let target = outbox
            .target(delivery)
            .ok_or(Unsent::Result(FailureCause::TargetRemoved))?;
        let facts = outbox.facts(delivery)?;
        let folder = self.inner.secrets_folder.as_deref();
        let loaded = Secrets::load(folder, &target.secret, &delivery.namespace).await;
        let fits = loaded.and_then(|secrets| match target.format {
            WebhookFormat::Generic if !secrets.can_sign() => Err(SecretError::NoKey),
            WebhookFormat::Generic | WebhookFormat::Slack | WebhookFormat::Teams
                if target.url.has_secret() && secrets.token().is_none() =>
            {
                Err(SecretError::NoToken)
            }
            WebhookFormat::Generic | WebhookFormat::Slack | WebhookFormat::Teams => Ok(secrets),
        });
        let secrets = fits.map_err(|error| {
            let namespace = &delivery.namespace;
            tracing::warn!(%namespace, target = %delivery.target, %error, "a webhook secret cannot be used");
            Unsent::Result(FailureCause::SecretUnusable)
        })?;
        let body = facts.body(target.format);
        let timestamp_s = now().as_millis() / 1000;
        let message = Message {
            url: &target.url,
            token: secrets.token(),
            id: &delivery.id,
            timestamp_s,
            signature: secrets.signature(&delivery.id, timestamp_s, &body),
            body,
        };
        Ok(self.inner.sender.send(message).await)
    }
}

/// One attempt has ended; one that panicked counts as failed.
fn note(ended: Result<(Id, bool), JoinError>, targets: &mut HashMap<Id, Target>, lanes: &mut Lanes) {
    let (id, went_well) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(%error, "a webhook attempt ended in a fault");
            (error.id(), false)
        }
    };
    if let Some(target) = targets.remove(&id) {
        lanes.ended(&target, went_well, Instant::now());
    }
}
