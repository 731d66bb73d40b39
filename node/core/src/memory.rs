//! The replicated state in memory: for tests, and the yardstick for the one on disk.
