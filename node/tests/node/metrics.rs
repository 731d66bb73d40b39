//! Metrics as Prometheus reads them.

use crate::cluster::Cluster;
use crate::http::get;

/// The value of the metric `name` on node `index`.
pub(crate) async fn metric(cluster: &Cluster, index: u8, name: &str) -> Result<u64, String> {
    let text = get(&format!("http://{}/metrics", cluster.metrics_address(index)), None)
        .await?
        .text;
    let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name));
    let value = line
        .and_then(|line| line.rsplit(' ').next())
        .ok_or(format!("no {name}"))?;
    value.parse().map_err(|error| format!("{name} {value}: {error}"))
}
