//! File names of wheels: see `pkg_install_fuzz::fuzzing::wheel_name`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::wheel_name(data));
