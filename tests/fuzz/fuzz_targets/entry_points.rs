//! entry_points.txt: see `pkg_install::fuzzing::entry_points`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pkg_install::fuzzing::entry_points(data));
