//! Fuzz targets for everything that a node parses. `node/fuzz/run SECONDS` runs each of them.
//!
//! The bodies are in [`targets`]. The tests of the node run the same ones over the committed corpora and over mutations of
//! them, so that nothing but a compiler is needed there.

pub mod subjects;
pub mod targets;
