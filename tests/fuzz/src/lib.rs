//! Fuzz targets: coverage-guided bytes for every kind of untrusted input.
//!
//! `tests/it/fuzzing` has the function of each target and says what must hold; here are the
//! targets, their seeds and their dictionaries. They need a nightly toolchain and `cargo install
//! cargo-fuzz --locked`. From the main crate's directory:
//!
//! ```text
//! python3 tests/fuzz/seeds.py
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz install -- \
//!     -max_total_time=600 -timeout=10 -rss_limit_mb=2048 \
//!     -detect_leaks=0 -dict=tests/fuzz/zip.dict
//! ```
//!
//! `archive` takes the same dictionary. `record`, `headers`, `entry_points`, `wheel_name`,
//! `journal`, `resolution`, `page` and `requirement` take `text.dict`. `forged` and
//! `planted_state` take none, since their bytes are decisions, but `-max_len=128 -len_control=0`.
//! Leaks are not looked for: a thread of an installation's pool
//! that is still ending is taken for one, and the crate has no unsafe code.
//!
//! `cargo +nightly fuzz tmin --fuzz-dir tests/fuzz TARGET FILE` makes a find small. A find becomes
//! a named test in the main crate before it is mended. The corpus grows in `corpus`, finds go to
//! `artifacts`; neither is kept in the repository. Limits: one process and one thread; a process
//! that is killed leaves its directory in `/dev/shm`.

#![allow(
    dead_code,
    reason = "the targets use only a part of the test support of the main crate"
)]

#[path = "../../it/fuzzing/mod.rs"]
pub mod fuzzing;
#[path = "../../it/support"]
mod support {
    pub mod wheel_builder;
    pub mod zip_image;
}

pub use fuzzing::other_reader::agree;
