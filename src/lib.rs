//! A parallel wheel installer with a transactional file layout.
pub mod archive;
#[cfg(feature = "cli")]
pub mod cli;
pub mod command;
pub mod environment;
pub mod error;
pub mod fs;
pub mod hash;
pub mod path;
pub mod plan;
pub mod report;
pub mod script;
pub mod source;
pub mod spec;
pub mod stage;
pub mod transaction;
pub mod wheel;
