//! RECORD: see `pkg_install_fuzz::fuzzing::record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::record(data));
