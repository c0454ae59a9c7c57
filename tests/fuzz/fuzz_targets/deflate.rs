//! Deflate streams: see `pkg_install_fuzz::fuzzing::deflate`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pkg_install_fuzz::fuzzing::deflate(data);
});
