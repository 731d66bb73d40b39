//! Sends webhooks: what they say, how they are signed, where they may go, and which are sent first.

pub mod address;
pub mod lanes;
pub mod payload;
pub mod resolve;
pub mod secret;
pub mod send;
