//! A parallel wheel installer with a transactional file layout.
pub mod error;
pub mod hash;
pub mod path;
pub mod report;
pub mod script;
pub mod spec;
