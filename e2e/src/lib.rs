//! The black-box harness of Confman: the demo's story, local nodes under load, and the repository's own tidiness.

pub mod tidy;
