//! The parts of the node that are fuzzed, from their sources: the node itself would link the store.

#[path = "../../src/http/cursor/form.rs"]
pub mod cursor_form;
#[path = "../../src/auth/key_form.rs"]
pub mod key_form;
#[path = "../../src/http/target.rs"]
pub mod target;
#[path = "../../src/http/render/yaml.rs"]
pub mod yaml;
