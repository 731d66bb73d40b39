//! Starting a node: every step that can fail, and the wiring of the parts.

use std::net::SocketAddr;
use std::sync::Arc;

use confman_api::limits;
use confman_api::routes::Port;
use confman_core::ids::ClusterId;
use confman_store::backup::BackupSource;
use confman_store::{IdentityFile, LogStore, OpenError, SnapshotInbox, StateMachine, StateReader, Store, StoreStats};
use openraft::ConfigError;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::authentication::authenticator;
use super::{Addresses, ApiKeySource, Node, NodeOptions, Tasks};
use crate::applies::Applies;
use crate::auth::api_keys::ApiKeys;
use crate::backup::{BackupOptions, Backups};
use crate::http::{App, SharedApp, entrance};
use crate::judge::Judge;
use crate::metrics::Metrics;
use crate::propose::Proposer;
use crate::raft::bootstrap::{Bootstrap, BootstrapOptions, BootstrapParts};
use crate::raft::channel::Connector;
use crate::raft::forward::Forwarder;
use crate::raft::freshness::Freshness;
use crate::raft::membership::Membership;
use crate::raft::memory::{Forgotten, OwnMemory};
use crate::raft::peers::Peers;
use crate::raft::report::Reporter;
use crate::raft::server::PeerService;
use crate::raft::service::bootstrap_server::BootstrapServer;
use crate::raft::service::peer_server::PeerServer;
use crate::raft::snapshots::{self, SnapshotOptions};
use crate::raft::wire::{CheckHeaders, MAX_FRAME_BYTES, Speaker};
use crate::raft::{self, Raft, comparison, leadership};
use crate::read::Reader;
use crate::room::Room;
use crate::rotation::Rotation;
use crate::secrets::{KeysError, Secrets};
use crate::serve::{self, Listener};
use crate::tls::{self, NodeTls, TlsError};
use crate::watch::Feed;
use crate::webhooks;
use crate::webhooks::outbox::Outbox;

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file system of the volume cannot be asked.
    #[error("the volume cannot be asked how much of it is free")]
    Volume(#[source] std::io::Error),
    /// The store cannot be opened.
    #[error("cannot open the store")]
    Open(#[from] OpenError),
    /// The volume belongs to another cluster.
    #[error("the volume belongs to cluster {found}, this node was made for {expected}")]
    OtherCluster {
        /// On the volume.
        found: ClusterId,
        /// As started.
        expected: ClusterId,
    },
    /// The state cannot be read.
    #[error("cannot read the state")]
    Read(#[from] confman_store::ReadError),
    /// Certificates.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// The sealing keys cannot be used.
    #[error("cannot use the sealing keys")]
    SealingKeys(#[from] KeysError),
    /// A port cannot be bound.
    #[error("cannot listen on {address} ({port})")]
    Bind {
        /// Which port.
        port: &'static str,
        /// Its address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Raft settings contradict each other.
    #[error("the raft settings are not valid")]
    Config(#[from] ConfigError),
    /// Raft cannot start on this store.
    #[error("raft cannot start: {0}")]
    Raft(String),
    /// The volume is older than what the cluster knows.
    #[error(transparent)]
    Forgotten(#[from] Forgotten),
    /// The runtime is going down.
    #[error("the process is stopping")]
    Stopping,
}

/// The bound sockets, before anything is served on them.
struct Sockets {
    http: TcpListener,
    internal: Option<TcpListener>,
    peer: TcpListener,
    metrics: TcpListener,
}

pub(super) async fn start(options: NodeOptions) -> Result<Node, StartError> {
    let store = open(&options).await?;
    check_cluster(&options.cluster_id, &store)?;
    let tls = options
        .tls_dir
        .as_deref()
        .map(|dir| NodeTls::load(dir, &options.cluster_id))
        .transpose()?;
    let (sockets, addresses) = bind(&options).await?;
    let speaker = Speaker {
        cluster_id: options.cluster_id.clone(),
        node_id: store.identity.get().node_id,
    };
    let client_tls = tls.as_ref().map(NodeTls::peer_client).transpose()?;
    let peers = Peers::new(speaker.clone(), Connector::new(client_tls));
    let Store {
        mut log,
        mut state_machine,
        reader,
        identity,
        backup,
        inbox,
        stats,
        fault,
    } = store;
    let known_peers = peers.clone();
    let remembered = OwnMemory::read(&mut log, &mut state_machine).await;
    let remembered = remembered.map_err(|error| StartError::Raft(error.to_string()))?;
    let raft = build_raft(&options, &speaker, (log.clone(), state_machine), peers.clone()).await?;
    let volume = Volume {
        reader,
        identity,
        backup,
        inbox,
        stats,
        was_used: remembered.was_used(),
    };
    let secrets = options.sealing_keys.as_deref().map(Secrets::read).transpose()?;
    let judge = Judge::new(volume.reader.clone(), secrets.unwrap_or_default());
    let parts = Parts::new(&options, volume, raft, (peers, judge), addresses)?;
    if let ApiKeySource::Folder(folder) = &options.api_keys {
        parts.api_keys.load(folder).await;
    }
    parts.serve(sockets, (&options, tls.as_ref()), speaker)?;
    parts.run_in_background(&options);
    remembered.check(&known_peers).await?;
    parts.raft.run();
    let Parts {
        raft,
        app,
        clients,
        background,
        ..
    } = parts;
    Ok(Node {
        addresses,
        app,
        raft,
        log,
        fault,
        clients,
        background,
    })
}

async fn open(options: &NodeOptions) -> Result<Store, StartError> {
    let (folder, sizes) = (options.data_dir.clone(), options.store.clone());
    let opening = tokio::task::spawn_blocking(move || confman_store::open(&folder, &sizes));
    Ok(opening.await.map_err(|_| StartError::Stopping)??)
}

/// A volume keeps to the cluster it was first used for, by its identity and by its state.
fn check_cluster(expected: &ClusterId, store: &Store) -> Result<(), StartError> {
    let in_state = store.reader.cluster().map(|cluster| cluster.cluster_id.clone());
    let found = store.identity.get().cluster_id.into_iter().chain(in_state);
    match found.into_iter().find(|found| found != expected) {
        None => Ok(()),
        Some(found) => Err(StartError::OtherCluster {
            found,
            expected: expected.clone(),
        }),
    }
}

async fn bind(options: &NodeOptions) -> Result<(Sockets, Addresses), StartError> {
    let (http, http_address) = bind_one("http", options.http_address).await?;
    let internal = match options.internal_address {
        Some(address) => Some(bind_one("internal", address).await?),
        None => None,
    };
    let (peer, peer_address) = bind_one("peer", options.peer_address).await?;
    let (metrics, metrics_address) = bind_one("metrics", options.metrics_address).await?;
    let addresses = Addresses {
        http: http_address,
        internal: internal.as_ref().map(|(_, address)| *address),
        peer: peer_address,
        metrics: metrics_address,
    };
    let internal = internal.map(|(socket, _)| socket);
    let sockets = Sockets {
        http,
        internal,
        peer,
        metrics,
    };
    Ok((sockets, addresses))
}

async fn bind_one(port: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = serve::bind(address).await;
    bound.map_err(|source| StartError::Bind { port, address, source })
}

/// Raft without its tasks: nothing votes before the ports answer.
async fn build_raft(
    options: &NodeOptions,
    speaker: &Speaker,
    (log, state_machine): (LogStore, StateMachine),
    peers: Peers,
) -> Result<Raft, StartError> {
    let config = raft::config(options.cluster_id.as_str(), options.keep_log_entries)?;
    let built = Raft::build(speaker.node_id, config, peers, log, state_machine).await;
    built.map_err(|fatal| StartError::Raft(fatal.to_string()))
}

/// What of the store is not Raft's own.
struct Volume {
    reader: StateReader,
    identity: IdentityFile,
    backup: BackupSource,
    inbox: SnapshotInbox,
    stats: StoreStats,
    was_used: bool,
}

/// The parts of a node on their way to being one.
struct Parts {
    volume: Volume,
    raft: Raft,
    proposer: Proposer,
    bootstrap: Bootstrap,
    freshness: Freshness,
    webhooks: webhooks::Service,
    app: SharedApp,
    api_keys: ApiKeys,
    clients: Tasks,
    background: Tasks,
}

impl Parts {
    fn new(
        options: &NodeOptions,
        volume: Volume,
        raft: Raft,
        (peers, judge): (Peers, Judge),
        addresses: Addresses,
    ) -> Result<Self, StartError> {
        let (clients, background) = (Tasks::default(), Tasks::default());
        let (metrics, freshness) = (Metrics::default(), Freshness::default());
        let applies = Applies::new(metrics.clone());
        let steps = applies.clone();
        volume.stats.observe_applies(Box::new(move |step| steps.observe(step)));
        let forwarder = Forwarder::new(peers.clone(), background.tracker.clone(), background.stop.clone());
        let observed = (metrics.clone(), applies);
        let room = Room::of(&options.data_dir, options.disk_reserve_bytes).map_err(StartError::Volume)?;
        background.tracker.spawn(room.clone().watch(background.stop.clone()));
        let proposer = Proposer::new(raft.clone(), forwarder, (judge.clone(), room.clone()), observed);
        let stop = background.stop.clone();
        let (reader, questions) = Reader::new(
            raft.clone(),
            volume.reader.clone(),
            freshness.clone(),
            peers.clone(),
            stop,
        );
        background.tracker.spawn(questions);
        let reporter = Reporter::new(raft.clone(), peers.clone(), volume.stats.clone(), room.clone());
        let backups = Backups::new(
            BackupOptions {
                destination: options.backup_destination.clone(),
                interval: options.backup_interval,
                keep: options.backup_keep,
                scratch: options.data_dir.clone(),
            },
            (volume.backup.clone(), volume.reader.clone()),
            volume.identity.get().node_id,
            metrics.clone(),
        );
        let membership = Membership::new(raft.clone(), peers.clone());
        let bootstrap = Bootstrap::new(
            BootstrapOptions {
                cluster_id: options.cluster_id.clone(),
                advertised: options.advertised.clone().unwrap_or_else(|| addresses.peer.to_string()),
                token_file: options.bootstrap_token_file.clone(),
            },
            BootstrapParts {
                raft: raft.clone(),
                peers,
                proposer: proposer.clone(),
                state: volume.reader.clone(),
                identity: volume.identity.clone(),
                was_used: volume.was_used,
            },
        );
        let stopping = CancellationToken::new();
        let (feed, filling) = Feed::new(volume.reader.clone(), stopping.clone());
        background.tracker.spawn(filling);
        let outbox = Outbox::new(volume.reader.clone(), reader.clone(), proposer.clone());
        let webhooks = webhooks::Service::new(options.webhooks.clone(), outbox, metrics.clone())?;
        let (api_keys, authenticator) = authenticator(options, volume.reader.clone());
        let app = Arc::new(App {
            reader,
            feed,
            proposer: proposer.clone(),
            bootstrap: bootstrap.clone(),
            raft: raft.clone(),
            judge,
            reporter,
            membership,
            backups,
            room,
            stats: volume.stats.clone(),
            authenticator,
            rotation: Rotation::new(volume.reader.clone(), metrics.clone()),
            metrics,
            public_places: Semaphore::new(limits::REQUESTS.value),
            internal_places: Semaphore::new(limits::REQUESTS.value),
            audit_walks: Arc::new(Semaphore::new(limits::AUDIT_WALKS.value)),
            stopping,
        });
        Ok(Self {
            volume,
            raft,
            proposer,
            bootstrap,
            freshness,
            webhooks,
            app,
            api_keys,
            clients,
            background,
        })
    }

    /// Starts every port. Peers are served until Raft has stopped, everybody else until the node begins to stop.
    fn serve(
        &self,
        sockets: Sockets,
        (options, tls): (&NodeOptions, Option<&NodeTls>),
        speaker: Speaker,
    ) -> Result<(), StartError> {
        let listener = |name, socket, tls, router| Listener {
            name,
            socket,
            tls,
            router,
        };
        let peer_tls = tls.map(NodeTls::peer_server).transpose()?;
        let peer = listener("peer", sockets.peer, peer_tls, self.peer_router(speaker));
        let public = entrance::router(Arc::clone(&self.app), Port::Public);
        let metrics = entrance::router(Arc::clone(&self.app), Port::Metrics);
        spawn(&self.background, peer);
        spawn(&self.background, listener("metrics", sockets.metrics, None, metrics));
        let people = self.app.authenticator.people();
        let public_tls = options.http_tls_dir.as_deref();
        let public_tls = public_tls
            .map(|folder| tls::public_server(folder, people))
            .transpose()?;
        spawn(&self.clients, listener("http", sockets.http, public_tls, public));
        // Without certificates nobody can prove to be the courier, so that port stays closed.
        if let (Some(socket), Some(tls)) = (sockets.internal, tls) {
            let internal = entrance::router(Arc::clone(&self.app), Port::Internal);
            spawn(
                &self.clients,
                listener("internal", socket, Some(tls.internal_server()?), internal),
            );
        }
        Ok(())
    }

    fn peer_router(&self, speaker: Speaker) -> axum::Router {
        let service = PeerServer::new(PeerService {
            raft: self.raft.clone(),
            reader: self.volume.reader.clone(),
            inbox: self.volume.inbox.clone(),
            proposer: self.proposer.clone(),
            authenticator: Arc::clone(&self.app.authenticator),
            freshness: self.freshness.clone(),
            reporter: self.app.reporter.clone(),
            membership: self.app.membership.clone(),
        })
        .max_decoding_message_size(MAX_FRAME_BYTES)
        .max_encoding_message_size(MAX_FRAME_BYTES);
        let bootstrap = BootstrapServer::new(self.bootstrap.clone());
        let checked =
            tonic::service::interceptor::InterceptedService::new(service, CheckHeaders::exact(speaker.clone()));
        let asked = tonic::service::interceptor::InterceptedService::new(bootstrap, CheckHeaders::any_target(speaker));
        tonic::service::Routes::new(checked)
            .add_service(asked)
            .into_axum_router()
    }

    fn run_in_background(&self, options: &NodeOptions) {
        let stop = || self.background.stop.clone();
        let tracker = &self.background.tracker;
        if let ApiKeySource::Folder(folder) = &options.api_keys {
            tracker.spawn(self.api_keys.clone().watch(folder.clone(), stop()));
        }
        tracker.spawn(Arc::clone(&self.app.authenticator).run(stop()));
        let snapshots = SnapshotOptions {
            log_bytes: options.snapshot_log_bytes,
        };
        tracker.spawn(snapshots::run(
            self.raft.clone(),
            self.volume.stats.clone(),
            snapshots,
            stop(),
        ));
        let (leads, leading) = tokio::sync::watch::channel(false);
        tracker.spawn(leadership::follow(self.raft.clone(), leads, stop()));
        tracker.spawn(self.webhooks.clone().run(leading.clone(), stop()));
        tracker.spawn(self.app.membership.clone().tend(leading.clone(), stop()));
        let (room, reporter) = (self.app.room.clone(), self.app.reporter.clone());
        tracker.spawn(room.ask_others(reporter, leading.clone(), stop()));
        let compared = (self.app.reporter.clone(), self.proposer.clone());
        tracker.spawn(comparison::run(
            compared,
            options.compare_interval,
            leading.clone(),
            stop(),
        ));
        tracker.spawn(self.app.backups.clone().run(leading.clone(), stop()));
        let rotation = self.app.rotation.clone();
        tracker.spawn(rotation.run(self.proposer.clone(), leading, stop()));
        tracker.spawn(self.app.metrics.clone().watch_leader(self.raft.clone(), stop()));
        tracker.spawn(self.bootstrap.clone().remember_cluster(stop()));
    }
}

fn spawn(tasks: &Tasks, listener: Listener) {
    let serving = serve::serve(listener, tasks.tracker.clone(), tasks.stop.clone());
    tasks.tracker.spawn(serving);
}
