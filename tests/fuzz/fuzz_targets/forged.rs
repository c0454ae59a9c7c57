//! Forged wheels, compared with another reader: see `pkg_install_fuzz::fuzzing::forged`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (image, contents) = pkg_install_fuzz::fuzzing::forged(data);
    if let Some(contents) = contents {
        pkg_install_fuzz::agree(&image, &contents);
    }
});
