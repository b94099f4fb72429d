//! The versioned artifact directory: written whole or not at all, verified before it is parsed.

mod manifest;
mod read;
mod save;
mod write;

pub(crate) use read::Bundle;
pub use read::BundleSource;

pub(crate) use manifest::sha256;
pub(crate) use save::write_models;
pub(crate) use write::Folder;
