//! Nodes as real processes over real sockets: bootstrap, workflow, failover, catching up, trust, routes, bad input, what
//! can be observed.

#[path = "../../../e2e/tests/audit/alter.rs"]
mod alter;
mod audit;
mod bad_input;
mod bootstrap;
mod canary;
mod catch_up;
mod certificate_logins;
mod certificates;
mod cluster;
mod dev_mode;
mod divergence;
mod failover;
mod fuzzed;
mod hostile;
mod http;
mod identity;
#[expect(dead_code, reason = "the tests of issuers need more of it")]
#[path = "../../src/auth/issuers/server.rs"]
mod issuer;
mod keys;
mod login;
mod logs;
mod membership;
mod metrics;
mod people;
mod process;
mod recovery;
mod room;
mod routes;
mod s3;
mod secrets;
mod spans;
mod status;
mod streams;
mod tokens;
mod trust;
mod typed_client;
mod values;
mod views;
mod wait;
mod waiting;
mod watching;
mod webhooks;
mod workflow;
mod writing;
