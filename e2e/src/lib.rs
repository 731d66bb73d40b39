//! The black-box harness of Confman: the demo's story, local nodes under load, and the repository's own tidiness.

pub mod audit;
pub mod certificates;
pub mod chaos;
pub mod console;
pub mod images;
pub mod kubectl;
pub mod kubernetes;
pub mod load;
pub mod nodes;
pub mod processes;
pub mod story;
pub mod tidy;
