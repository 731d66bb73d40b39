//! The store on a real disk: openraft's own suite, golden bytes, crashes, damage, snapshots, reads.

mod fixtures;
mod golden;
mod samples;
mod suite;
