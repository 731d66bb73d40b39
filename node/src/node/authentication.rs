//! Whom a node lets in: the keys it was started with, and what the state says.

use std::sync::Arc;

use confman_store::StateReader;

use super::{ApiKeySource, NodeOptions};
use crate::auth::api_keys::ApiKeys;
use crate::auth::authenticator::Authenticator;
use crate::auth::directory::StateDirectory;

/// The keys of files, and the authenticator that uses them.
pub(super) fn authenticator(options: &NodeOptions, state: StateReader) -> (ApiKeys, Arc<Authenticator>) {
    let api_keys = match &options.api_keys {
        ApiKeySource::Folder(_) => ApiKeys::default(),
        ApiKeySource::Fixed(keys) => ApiKeys::fixed(keys.iter().map(|(name, text)| (name.as_str(), text.as_str()))),
    };
    let directory = Arc::new(StateDirectory::new(state));
    let authenticator = Authenticator::new(api_keys.clone(), directory, options.login_failures);
    (api_keys, Arc::new(authenticator))
}
