//! From the host of a URL to addresses, once for each attempt.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _};
use std::sync::Arc;

use confman_core::webhook::WebhookHost;
use tokio::sync::Semaphore;

/// Most look-ups at once: one that hangs in the system's resolver holds a thread, whatever time limit is set on it.
const LOOKUPS: usize = 16;

/// Who knows the addresses of names.
#[derive(Clone)]
pub enum Names {
    /// The system's resolver.
    System(SystemNames),
    /// Exactly these.
    Fixed(BTreeMap<String, Vec<IpAddr>>),
}

/// The system's resolver. Cheap to clone.
#[derive(Clone)]
pub struct SystemNames {
    places: Arc<Semaphore>,
}

impl Names {
    /// The system's resolver.
    pub fn system() -> Self {
        Self::System(SystemNames {
            places: Arc::new(Semaphore::new(LOOKUPS)),
        })
    }

    /// Every address of `host`; an error or nothing where there is none.
    pub async fn addresses(&self, host: WebhookHost<'_>) -> io::Result<Vec<IpAddr>> {
        match (host, self) {
            (WebhookHost::Address(address), _) => Ok(vec![address]),
            (WebhookHost::Name("localhost"), _) => Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
            (WebhookHost::Name(name), Self::System(names)) => names.look_up(name).await,
            (WebhookHost::Name(name), Self::Fixed(known)) => Ok(known.get(name).cloned().unwrap_or_default()),
        }
    }
}

impl SystemNames {
    /// The name is absolute: in a pod, search domains would let whoever owns the Kubernetes namespace `com` answer for
    /// `example.com`.
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        let absolute = format!("{name}.");
        let looking = tokio::task::spawn_blocking(move || {
            // The place is free when the thread is, not when somebody has stopped waiting for it.
            let _place = place;
            let found = (absolute.as_str(), 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        });
        looking.await.map_err(io::Error::other)?
    }
}
