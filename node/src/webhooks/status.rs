//! How the webhook targets of a namespace do, for those who may read its settings.

use confman_api::webhook::WebhookTargetView;
use confman_core::ids::NamespacePath;
use confman_core::state::StateView as _;
use confman_store::ReadError;

use crate::http::App;

/// The targets that the namespace `path` configures, in the order of its settings; empty if there is no such namespace.
/// At most as many rows are read as a namespace may have targets.
///
/// # Errors
/// The state cannot be read.
pub fn webhooks_status(app: &App, path: &NamespacePath) -> Result<Vec<WebhookTargetView>, ReadError> {
    app.reader.state().read(|view| {
        let namespace = view.namespace(path)?;
        let targets = namespace.iter().flat_map(|namespace| &namespace.settings.webhooks);
        targets
            .map(|target| {
                let health = view.target_health(path, target.name.as_str())?;
                Ok(WebhookTargetView::new(target, health.as_ref()))
            })
            .collect()
    })
}
