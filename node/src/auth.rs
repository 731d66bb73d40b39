//! Who calls and what they may read.

pub mod access;
pub mod api_keys;
pub mod credential;
pub mod key_form;
