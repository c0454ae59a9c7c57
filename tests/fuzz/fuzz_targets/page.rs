//! Pages of an index: see `pkg_install_fuzz::fuzzing::page`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::page(data));
