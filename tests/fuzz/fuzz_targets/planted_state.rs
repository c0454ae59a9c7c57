//! Planted state: see `pkg_install_fuzz::fuzzing::planted_state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::planted_state(data));
