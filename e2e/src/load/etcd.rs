//! Three etcd processes on the loopback address, and a client for the two calls that are compared.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::drive::Client;
use super::http::Operation;
use crate::processes::{Process, free_ports};

/// Connections to each etcd process; clients share them, as etcd's own benchmark does.
const CONNECTIONS: usize = 8;
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Running etcd processes; dropping them ends them.
#[derive(Debug)]
pub struct LocalEtcd {
    processes: Vec<Process>,
    channels: Vec<Channel>,
}

impl LocalEtcd {
    /// Starts `count` processes with fsync on, and waits until they accept a write.
    pub async fn start(program: &Path, folder: &Path, count: usize) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let ports = free_ports(count * 2)?;
        let urls: Vec<String> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let (client_urls, peer_urls) = urls.split_at(count);
        let peers: Vec<_> = peer_urls
            .iter()
            .enumerate()
            .map(|(index, url)| format!("e{index}={url}"))
            .collect();
        let mut processes = Vec::new();
        for (index, (client_url, peer_url)) in client_urls.iter().zip(peer_urls).enumerate() {
            let mut command = Command::new(program);
            command
                .args(["--name", &format!("e{index}")])
                .arg("--data-dir")
                .arg(folder.join(format!("data-{index}")))
                .args([
                    "--listen-client-urls",
                    client_url,
                    "--advertise-client-urls",
                    client_url,
                ])
                .args([
                    "--listen-peer-urls",
                    peer_url,
                    "--initial-advertise-peer-urls",
                    peer_url,
                ])
                .args(["--initial-cluster", &peers.join(","), "--initial-cluster-state", "new"])
                .args(["--log-level", "error"]);
            processes.push(Process::start(&format!("etcd-{index}"), &mut command, folder)?);
        }
        let endpoints: Vec<_> = client_urls.iter().cycle().take(count * CONNECTIONS).collect();
        let channels = endpoints
            .iter()
            .map(|url| Ok(Endpoint::from_shared((*url).clone())?.tcp_nodelay(true).connect_lazy()))
            .collect::<anyhow::Result<_>>()?;
        let mut started = Self { processes, channels };
        started.wait_until_writable().await?;
        Ok(started)
    }

    async fn wait_until_writable(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        let clients: Vec<_> = (0..self.processes.len()).collect();
        for index in clients {
            let mut client = self.client(index, Operation::Put, (1, 20));
            while let Err(error) = client.call(0).await {
                self.processes.iter_mut().try_for_each(Process::expect_running)?;
                anyhow::ensure!(Instant::now() < deadline, "etcd accepts no write: {error:#}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Client number `index` of a load.
    pub fn client(&self, index: usize, operation: Operation, sizes: (u64, usize)) -> EtcdClient {
        EtcdClient {
            grpc: Grpc::new(self.channels[index % self.channels.len()].clone()),
            operation,
            keys: sizes.0,
            value_bytes: sizes.1,
        }
    }

    /// The processes.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }
}

/// The etcd program among the Kubernetes programs of `e2e/kube`.
pub fn default_program() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    home.join(".cache/confman/kube/bin/etcd")
}

/// A client of the load.
#[derive(Debug)]
pub struct EtcdClient {
    grpc: Grpc<Channel>,
    operation: Operation,
    keys: u64,
    value_bytes: usize,
}

impl Client for EtcdClient {
    async fn call(&mut self, sequence: u64) -> anyhow::Result<()> {
        let key = Bytes::from(super::key(sequence, self.keys));
        self.grpc.ready().await.context("etcd is not ready")?;
        if self.operation == Operation::Put {
            let value = Bytes::from(super::value(sequence, self.value_bytes));
            let codec = ProstCodec::<PutRequest, PutResponse>::default();
            let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
            self.grpc
                .unary(tonic::Request::new(PutRequest { key, value }), path, codec)
                .await?;
            return Ok(());
        }
        let serializable = self.operation == Operation::GetStale;
        let codec = ProstCodec::<RangeRequest, RangeResponse>::default();
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Range");
        let answer = self
            .grpc
            .unary(tonic::Request::new(RangeRequest { key, serializable }), path, codec)
            .await?;
        anyhow::ensure!(answer.get_ref().count == 1, "etcd does not have the key");
        Ok(())
    }
}

/// `etcdserverpb.PutRequest`, the fields used.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// `etcdserverpb.PutResponse`; nothing in it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// `etcdserverpb.RangeRequest`, the fields used.
#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bool, tag = "7")]
    serializable: bool,
}

/// `etcdserverpb.RangeResponse`, the fields used.
#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
    #[prost(int64, tag = "4")]
    count: i64,
}

/// `mvccpb.KeyValue`, the fields used.
#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}
