//! One file per specification of the PyPA: text in, types out, no I/O.

pub mod core_metadata;
pub mod described_python;
pub(crate) mod digits;
pub mod direct_url;
pub mod entry_points;
pub mod ini;
pub mod location;
pub mod marker;
pub mod metadata_directory;
pub mod name;
pub mod pip_configuration;
pub mod pip_report;
pub mod project;
pub mod pylock;
pub mod python_name;
pub mod record;
pub mod requirement;
pub mod requirements;
pub mod resolved;
pub mod simple;
pub mod tags;
pub mod timestamp;
pub mod version;
pub mod wheel_name;
