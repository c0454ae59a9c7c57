//! RECORD: see `pkg_install::fuzzing::record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install::fuzzing::record(data));
