//! A parallel wheel installer with a transactional file layout.
pub mod archive;
pub mod error;
pub mod fs;
pub mod hash;
pub mod path;
pub mod report;
pub mod script;
pub mod spec;
