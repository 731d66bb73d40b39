//! The rules, from outside: scenarios, exhaustive tables, invariants over random histories, and shared vectors.

mod acts;
mod audit_trail;
mod builders;
mod calls;
mod deeds;
mod diffs;
mod effective;
mod governance;
mod history;
mod invariants;
mod judge;
mod limits;
#[cfg(feature = "planted-mistakes")]
mod mistakes;
mod model;
mod names;
mod outbox;
mod permissions;
mod promises;
mod recovery;
mod reviewers;
mod scenario;
mod scenarios;
mod stamps;
mod telling;
mod transitions;
mod values;
mod vectors;
mod webhooks;
mod world;
