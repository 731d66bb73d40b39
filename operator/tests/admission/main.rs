//! Admission, the policies and the definitions against a real API server: what people try, and what is stored.

mod deletion;
mod governance;
mod installed;
#[path = "../support/kubernetes.rs"]
mod kubernetes;
mod policies;
mod requests;
mod reviews;
mod service;
mod serving;
#[path = "../support/wait.rs"]
mod wait;
mod world;
