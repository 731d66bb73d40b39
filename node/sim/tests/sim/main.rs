//! Simulated clusters.

mod seeds;
