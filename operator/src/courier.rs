//! The operator's connections to the nodes of each cluster: where they are, and the credential of the courier.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use confman_api::client::{BuildError, CourierClient, CourierOptions};
use confman_crds::ConfmanCluster;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt as _};

use crate::confman_cluster::names::Names;

/// Port of the courier.
pub const INTERNAL_PORT: u16 = 8444;
/// Port of the peers.
pub const PEER_PORT: u16 = 8445;
/// A node waits up to 10 s for a commit; a bootstrap up to 15 s for a first leader.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Entry of a Secret with certificates: the CA.
pub const CA: &str = "ca.crt";
/// Entry of a Secret with certificates: the chain.
pub const CERTIFICATE: &str = "tls.crt";
/// Entry of a Secret with certificates: the key.
pub const KEY: &str = "tls.key";

/// Why there is no courier for a cluster.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// The Secret cannot be read.
    #[error("read the courier's Secret")]
    Read(#[source] Box<kube::Error>),
    /// The Secret does not exist (yet), or lacks an entry.
    #[error("Secret {0} with the courier's certificate is missing or incomplete")]
    Missing(String),
    /// The Secret holds something else.
    #[error("the courier's Secret cannot be used")]
    Build(#[from] BuildError),
}

/// Nodes of one cluster that run elsewhere than in their pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// `NAMESPACE/NAME` of the `ConfmanCluster`.
    pub cluster: String,
    /// Its nodes in ordinal order.
    pub nodes: Vec<NodeAddress>,
}

/// Where one node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// Its pod.
    pub pod: String,
    /// `https://host:port` for the courier.
    pub courier_url: String,
    /// `host:port` for peers.
    pub peer_address: String,
}

/// Reads `NAMESPACE/NAME=COURIER_URL|PEER_ADDRESS,…`.
pub fn parse_elsewhere(text: &str) -> Result<Elsewhere, String> {
    let wrong = || format!("{text:?} is not NAMESPACE/NAME=COURIER_URL|PEER_ADDRESS,…");
    let (cluster, nodes) = text.split_once('=').ok_or_else(wrong)?;
    let (_, name) = cluster.split_once('/').ok_or_else(wrong)?;
    let nodes = nodes.split(',').enumerate().map(|(ordinal, node)| {
        let (courier_url, peer_address) = node.split_once('|').ok_or_else(wrong)?;
        Ok(NodeAddress {
            pod: format!("{name}-{ordinal}"),
            courier_url: courier_url.to_owned(),
            peer_address: peer_address.to_owned(),
        })
    });
    Ok(Elsewhere {
        cluster: cluster.to_owned(),
        nodes: nodes.collect::<Result<_, String>>()?,
    })
}

/// One courier a cluster, kept while it works. Cheap to clone.
#[derive(Clone)]
pub struct Couriers {
    client: Client,
    elsewhere: Arc<[Elsewhere]>,
    known: Arc<Mutex<HashMap<String, CourierClient>>>,
}

impl Couriers {
    /// No connection yet.
    pub fn new(client: Client, elsewhere: Vec<Elsewhere>) -> Self {
        Self {
            client,
            elsewhere: elsewhere.into(),
            known: Arc::default(),
        }
    }

    /// Where the nodes of `cluster` are, in ordinal order.
    pub fn addresses(&self, cluster: &ConfmanCluster) -> Vec<NodeAddress> {
        let names = Names::of(cluster);
        let id = format!("{}/{}", names.namespace, names.cluster);
        if let Some(found) = self.elsewhere.iter().find(|elsewhere| elsewhere.cluster == id) {
            return found.nodes.clone();
        }
        let address = |ordinal| {
            let host = names.host(ordinal);
            NodeAddress {
                pod: names.pod(ordinal),
                courier_url: format!("https://{host}:{INTERNAL_PORT}"),
                peer_address: format!("{host}:{PEER_PORT}"),
            }
        };
        (0..cluster.spec.replicas).map(address).collect()
    }

    /// The courier for `cluster`.
    pub async fn get(&self, cluster: &ConfmanCluster) -> Result<CourierClient, CourierError> {
        let uid = cluster.uid().unwrap_or_default();
        if let Some(found) = self.known().get(&uid) {
            return Ok(found.clone());
        }
        let courier = self.connect(cluster).await?;
        self.known().insert(uid, courier.clone());
        Ok(courier)
    }

    /// Reads the credential of the cluster with this UID again next time.
    pub fn forget(&self, uid: &str) {
        self.known().remove(uid);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, CourierClient>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self, cluster: &ConfmanCluster) -> Result<CourierClient, CourierError> {
        let names = Names::of(cluster);
        let api = Api::<Secret>::namespaced(self.client.clone(), &names.namespace);
        let name = names.courier_secret();
        let secret = api
            .get_opt(&name)
            .await
            .map_err(|error| CourierError::Read(Box::new(error)))?;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let entry = |entry: &str| {
            let bytes = data.get(entry).map(|bytes| bytes.0.clone());
            bytes.ok_or_else(|| CourierError::Missing(name.clone()))
        };
        let options = CourierOptions {
            endpoints: self
                .addresses(cluster)
                .into_iter()
                .map(|node| node.courier_url)
                .collect(),
            ca_pem: entry(CA)?,
            certificate_pem: entry(CERTIFICATE)?,
            key_pem: entry(KEY)?,
            timeout: TIMEOUT,
        };
        Ok(CourierClient::new(&options)?)
    }
}

/// The address in `host:port`, where it is one: a certificate names it beside the hosts.
pub fn address_of(peer_address: &str) -> Option<IpAddr> {
    let (host, _) = peer_address.rsplit_once(':')?;
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_elsewhere_are_listed_in_ordinal_order() {
        let parsed = parse_elsewhere("apps/demo=https://127.0.0.1:1|127.0.0.1:2,https://127.0.0.2:1|127.0.0.2:2");
        let parsed = parsed.expect("well-formed");
        assert_eq!(parsed.cluster, "apps/demo");
        assert_eq!(
            (parsed.nodes[1].pod.as_str(), parsed.nodes[1].peer_address.as_str()),
            ("demo-1", "127.0.0.2:2")
        );
        assert_eq!(address_of("127.0.0.2:2"), "127.0.0.2".parse().ok());
        assert_eq!(address_of("demo-0.demo-peers.apps.svc:8445"), None);
        assert!(parse_elsewhere("demo").is_err());
    }
}
