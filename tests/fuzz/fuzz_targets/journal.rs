//! Journals: see `pkg_install::fuzzing::journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install::fuzzing::journal(data));
