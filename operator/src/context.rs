//! What every controller works with, and the two clients: one for watches, one with timeouts for everything else.

use std::sync::Arc;
use std::time::Duration;

use confman_api::client::ClientError;
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::controller::Error as ControllerError;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::watcher;
use kube::{Api, Client, Config, Resource, ResourceExt as _};

use crate::args::RunArgs;
use crate::backoff::Backoffs;
use crate::confman_cluster::applied::Applied;
use crate::courier::{CourierError, Couriers};
use crate::metrics::Metrics;
use crate::publish_request::refusals::Refusals;

/// Owner of every field that the operator writes.
pub const FIELD_MANAGER: &str = "confman-operator";
/// No call to the API server may take longer.
const API_TIMEOUT: Duration = Duration::from_secs(10);
/// A condition holds up to 32 KiB, an Event's note 1 KiB.
const MAX_NOTE_BYTES: usize = 1000;

/// Shared by all controllers; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// For calls: with timeouts, without hidden retries.
    pub client: Client,
    /// Kubernetes namespace of the operator.
    pub namespace: String,
    /// The only Kubernetes namespace to look after, if it is only one.
    pub watched: Option<String>,
    /// Connections to clusters.
    pub couriers: Couriers,
    /// Delays of objects that fail.
    pub backoffs: Backoffs,
    /// Reviews that a cluster has refused.
    pub refusals: Refusals,
    /// What was applied last.
    pub applied: Applied,
    /// Counters.
    pub metrics: Metrics,
    recorder: Recorder,
}

/// Why a step of a reconcile failed; it is tried again after a delay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server.
    #[error("{doing}")]
    Kubernetes {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// A node.
    #[error("{doing}")]
    Node {
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: Box<ClientError>,
    },
    /// There is no way to reach the nodes.
    #[error("reach the nodes")]
    Courier(#[from] CourierError),
    /// A certificate.
    #[error("make certificates")]
    Certificate(#[from] crate::confman_cluster::certificates::CertificateError),
    /// A Secret of ours does not hold what it should.
    #[error("Secret {name} is damaged: {detail}")]
    DamagedSecret {
        /// Its name.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// No randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// An object without what every stored object has.
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}

impl Error {
    /// The API server failed while `doing`.
    pub fn kubernetes(doing: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kubernetes {
            doing,
            source: Box::new(source),
        }
    }

    /// A node failed while `doing`.
    pub fn node(doing: &'static str) -> impl FnOnce(ClientError) -> Self {
        move |source| Self::Node {
            doing,
            source: Box::new(source),
        }
    }
}

/// An error with its causes, as one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(said) = said_by_kubernetes(inner) {
            return format!("{text}: {said}");
        }
        let more = inner.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// What the API server said; the error's own text says it twice, and how it is represented.
fn said_by_kubernetes<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    let boxed = error.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref);
    let kube::Error::Api(answer) = error.downcast_ref().or(boxed)? else {
        return None;
    };
    Some(answer.message.as_str()).filter(|message| !message.is_empty())
}

/// A client for calls: each has a timeout, and what fails is tried again by the controllers, visibly.
pub fn calling_client(config: &Config) -> kube::Result<Client> {
    let mut config = config.clone();
    config.default_retry = false;
    config.connect_timeout = Some(API_TIMEOUT / 2);
    config.read_timeout = Some(API_TIMEOUT);
    config.write_timeout = Some(API_TIMEOUT);
    config.reset_reader_on_write = true;
    Client::try_from(config)
}

impl Context {
    /// A context over `client`.
    pub fn new(client: Client, args: &RunArgs) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(args.identity.clone()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            couriers: Couriers::new(client.clone(), args.nodes.clone()),
            client,
            namespace: args.namespace.clone(),
            watched: args.watch_namespace.clone(),
            backoffs: Backoffs::default(),
            refusals: Refusals::default(),
            applied: Applied::default(),
            metrics: Metrics::default(),
        }
    }

    /// The object is gone, or nothing more can happen to it: nothing about it is kept.
    pub fn forget(&self, uid: &str) {
        self.backoffs.succeeded(uid);
        self.refusals.forget(uid);
        self.applied.forget(uid);
        self.couriers.forget(uid);
    }

    /// Forgets the object that a controller found gone when it wanted to look at it again.
    pub fn forget_gone<E: std::error::Error + 'static>(&self, error: &ControllerError<E, watcher::Error>) {
        if let ControllerError::ObjectNotFound(gone) = error {
            self.forget(gone.extra.uid.as_deref().unwrap_or_default());
        }
    }

    /// The objects of one kind that are looked after.
    pub fn watched<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.watched {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    /// Publishes what happened to `object`. An Event that is lost is no reason to stop: it repeats what status says.
    pub async fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, happened: Happened) {
        let event = Event {
            type_: if happened.is_warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: happened.reason,
            note: Some(cut(&happened.note, MAX_NOTE_BYTES)),
            action: cut(&happened.action, 128),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(object = object.name_any(), %error, "an event could not be published");
        }
    }
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Whether somebody should look.
    pub is_warning: bool,
    /// One word.
    pub reason: String,
    /// Who did what: Events of one object with the same reason are told apart by it, since the note is not compared.
    pub action: String,
    /// A sentence.
    pub note: String,
}

/// The first `limit` bytes of `text`, at a character.
pub fn cut(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

/// A context that is shared.
pub type Shared = Arc<Context>;
