//! Who calls and what they may read.

pub mod access;
pub mod api_keys;
pub mod authenticator;
pub mod certificates;
pub mod claims;
pub mod credential;
pub mod directory;
mod fetch;
pub mod issuers;
pub mod jws;
pub mod key_form;
pub mod known;
pub mod last_used;
pub mod throttle;
