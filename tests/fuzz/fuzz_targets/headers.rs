//! WHEEL and METADATA: see `pkg_install_fuzz::fuzzing::headers`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::headers(data));
