//! Webhooks against real receivers over real sockets.

mod attempts;
mod outbox;
mod receiver;
mod rotation;
mod status;
mod verify;
