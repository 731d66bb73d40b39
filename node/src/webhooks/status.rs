//! How the webhook targets of a namespace do, for its admins.

use confman_api::webhook::{WebhookStatusView, WebhooksView};
use confman_core::namespace::ConfigNamespace;
use confman_core::state::StateView as _;
use confman_core::webhook::TargetHealth;
use confman_store::{ReadError, StateReader};

/// The targets of `namespace`, in the order of its settings, with how they do. At most as many rows are read as a
/// namespace may have targets.
///
/// # Errors
/// The state cannot be read.
pub fn webhooks_view(state: &StateReader, namespace: &ConfigNamespace) -> Result<WebhooksView, ReadError> {
    let ConfigNamespace { path, settings, .. } = namespace;
    let status = state.read(|view| {
        let status = settings.webhooks.iter().map(|target| {
            let health = view.target_health(path, target.name.as_str())?;
            let health = health.unwrap_or_else(|| TargetHealth::new(path, &target.name));
            Ok(WebhookStatusView::new(target, &health))
        });
        status.collect::<Result<_, ReadError>>()
    })?;
    Ok(WebhooksView {
        webhooks: settings.webhooks.clone(),
        status,
    })
}
