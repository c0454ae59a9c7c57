//! Fuzzing: coverage-guided bytes for every door through which bytes come in that nobody vouches for.
//!
//! What each target does, and what must hold, stands in the main crate's `src/fuzzing`; here are the targets, their seeds
//! and their words. It needs a nightly toolchain and `cargo install cargo-fuzz --locked`. From the main crate's directory:
//!
//! ```text
//! python3 tests/fuzz/seeds.py
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz install -- -max_total_time=600 -timeout=10 -rss_limit_mb=2048 \
//!     -dict=tests/fuzz/zip.dict
//! ```
//!
//! The other targets are `archive`, `record`, `headers`, `entry_points`, `wheel_name`, `journal` and `forged`; the
//! dictionary is for `archive` and `install`, and `text.dict` for the rest but `forged`, whose bytes are decisions.
//! `cargo +nightly fuzz tmin --fuzz-dir tests/fuzz TARGET FILE` makes a find small. A find becomes a named test in the
//! main crate before it is mended. The corpus grows in `corpus`, finds go to `artifacts`; neither is kept in the
//! repository. Limits: one process and one thread; a process that is killed leaves its directory in `/dev/shm`.

#[path = "../../../src/fuzzing/other_reader.rs"]
pub mod other_reader;

pub use other_reader::agree;
