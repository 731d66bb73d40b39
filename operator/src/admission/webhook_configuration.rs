//! Writes the service's own CA into the webhook configuration, so that the API server trusts it.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

/// Writes `ca_pem` into every webhook of the configuration `name` that has another.
pub(super) async fn write_ca(client: &Client, name: &str, ca_pem: String) -> anyhow::Result<()> {
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let configuration = api
        .get_opt(name)
        .await?
        .with_context(|| format!("there is no MutatingWebhookConfiguration {name}; is everything installed?"))?;
    let wanted = ca_pem.as_bytes();
    let webhooks = configuration.webhooks.unwrap_or_default();
    let patch: Vec<_> = webhooks
        .iter()
        .enumerate()
        .filter(|(_, webhook)| {
            let present = webhook.client_config.ca_bundle.as_ref();
            present.map(|bundle| bundle.0.as_slice()) != Some(wanted)
        })
        .map(|(index, _)| {
            json!({"op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": STANDARD.encode(wanted)})
        })
        .collect();
    if patch.is_empty() {
        return Ok(());
    }
    let patch: Patch<()> = Patch::Json(serde_json::from_value(json!(patch))?);
    api.patch(name, &PatchParams::default(), &patch).await?;
    tracing::info!(name, "wrote the CA of admission into the webhook configuration");
    Ok(())
}
