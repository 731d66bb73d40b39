//! Chaos: real nodes under load that are killed, stopped, cut off and unplugged, and a judge of what their clients were told.

pub mod call;
pub mod clients;
pub mod cluster;
pub mod enclosure;
pub mod fault;
pub mod gaps;
pub mod history;
pub mod monitor;
pub mod nemesis;
pub mod network;
pub mod oracle;
pub mod random;
pub mod record;
pub mod replicas;
pub mod run;
pub mod tracer;
pub mod volume;
pub mod watchers;
