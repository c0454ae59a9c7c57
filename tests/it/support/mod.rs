//! Support for the tests, without tests of its own.
//!
//! | module | offers |
//! |---|---|
//! | [`wheel_builder`] | wheels from text, correct or broken in one place |
//! | [`zip_image`] | a zip archive as data, in which every field can be made wrong |
//! | [`scene`] | a temporary directory, environments and wheels in it, runs of the program |
//! | [`verdict`] | the program's answer to one wheel: refused, or installed and recorded |
//! | [`living`] | an environment and one command on it, run in this process again and again |
//! | [`tree_image`] | a directory in memory: compared, and restored |
//! | [`faults`] | errors and crashes at the n-th change of the file system |
//! | [`loose_disk`] | a disk that loses what was not flushed when the power is cut |
//! | [`http_server`] | a web server on the loopback that misbehaves on request |
//! | [`pseudo_terminal`] | the program at a terminal, and what its screen shows |
//!
//! The benches and the fuzz targets use `wheel_builder` and `zip_image` as well, and so does the
//! unit test of the archive module; these two therefore name nothing else of the tests.

pub mod faults;
pub mod http_server;
pub mod json_schema;
pub mod living;
pub mod loose_disk;
pub mod pseudo_terminal;
pub mod scene;
pub mod tree_image;
pub mod verdict;
pub mod wheel_builder;
pub mod zip_image;
