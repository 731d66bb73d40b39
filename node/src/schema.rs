//! The schema engine: compiles untrusted JSON Schemas and says what a change of a namespace would break.
//!
//! Pure evaluation over JSON values; no storage, no HTTP. A text becomes a [`CompiledSchema`] (once per digest, in a
//! [`SchemaCache`]); the schemas that hold for a namespace form a [`Holding`], which judges changes of one key.
//!
//! Nothing of a schema is trusted. It is surveyed before the validator crate sees it: its size, its references, its
//! `x-confman-*` keywords and the work it can make. What it would be unsafe or misleading to accept is refused with
//! the place and the limit.

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

#[cfg(test)]
mod tests;

pub use cache::SchemaCache;
pub use compile::CompiledSchema;
pub use error::{Defect, SchemaError};
pub use holding::{Breakage, Holding, OpenChange, RequestBreakage};
pub use object::{Form, Held, NamespaceObject};
