//! Webhooks against real receivers over real sockets.

mod attempts;
mod receiver;
mod verify;
