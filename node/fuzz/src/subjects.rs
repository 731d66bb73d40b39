//! The parts of the node that are fuzzed, from their sources: the node itself would link the store.

#[path = "../../src/http/cursor/form.rs"]
pub mod cursor_form;
#[path = "../../src/auth/key_form.rs"]
pub mod key_form;
#[path = "../../src/schema"]
pub mod schema {
    //! The schema engine, in the parts that its own file lists.

    mod cache;
    mod compile;
    mod confman;
    mod cost;
    mod error;
    mod findings;
    mod graph;
    mod holding;
    mod measure;
    mod object;
    mod survey;
    mod vocabulary;

    pub use cache::SchemaCache;
    pub use compile::CompiledSchema;
    pub use error::{Defect, SchemaError};
    pub use holding::{Breakage, Holding, OpenChange, RequestBreakage};
    pub use object::{Form, Held, NamespaceObject};
}
#[path = "../../src/http/target.rs"]
pub mod target;
#[path = "../../src/http/render/yaml.rs"]
pub mod yaml;
