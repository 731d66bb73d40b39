//! The controllers against a real API server and real nodes: the nodes run on loopback in the place of the pods, since no
//! kubelet does.

mod bad_input;
mod cluster;
#[path = "../support/kubernetes.rs"]
mod kubernetes;
mod nodes;
mod people;
mod requests;
mod restart;
mod rights;
mod trust;
#[path = "../support/wait.rs"]
mod wait;
mod world;
