//! Installations: see `pkg_install::fuzzing::install`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install::fuzzing::install(data));
