//! Journals: see `pkg_install_fuzz::fuzzing::journal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::journal(data));
