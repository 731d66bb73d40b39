//! The store on a real disk: openraft's own suite, golden bytes, crashes, damage, snapshots, reads.

mod damage;
mod fixtures;
mod golden;
mod kill;
mod samples;
mod suite;
