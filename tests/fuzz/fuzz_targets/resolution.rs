//! Output of resolvers: see `pkg_install_fuzz::fuzzing::resolution`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install_fuzz::fuzzing::resolution(data));
