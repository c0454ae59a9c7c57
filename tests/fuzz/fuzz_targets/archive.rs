//! Archives, compared with another reader: see `pkg_install_fuzz::fuzzing::archive`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(contents) = pkg_install_fuzz::fuzzing::archive(data) {
        pkg_install_fuzz::agree(data, &contents);
    }
});
