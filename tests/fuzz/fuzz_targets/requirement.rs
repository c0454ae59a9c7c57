//! Requirements, lists and project files: see `pkg_install_fuzz::fuzzing::requirement`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::requirement(data));
