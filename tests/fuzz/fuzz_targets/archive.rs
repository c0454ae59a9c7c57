//! Archives, compared with another reader: see `pkg_install::fuzzing::archive`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(contents) = pkg_install::fuzzing::archive(data) {
        pkg_install_fuzz::agree(data, &contents);
    }
});
