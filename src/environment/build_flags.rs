//! The flags that a CPython was built with, from the names of its files.

use std::collections::BTreeSet;
use std::path::Path;

use crate::fs;

/// `sys.abiflags` from the name of the build's description in the standard library,
/// `_sysconfigdata_FLAGS_linux_…`; `None` if there is none, or there are several, as
/// with a distribution's debug build.
pub(super) fn build_flags(resolved: &Path, (major, minor): (u32, u32)) -> Option<String> {
    let prefix = resolved.parent()?.parent()?;
    let mut found = BTreeSet::new();
    // Fedora and openSUSE have the 64-bit standard library in `lib64`.
    for lib in ["lib", "lib64"] {
        for thread in ["", "t"] {
            for (name, _) in
                fs::list(&prefix.join(format!("{lib}/python{major}.{minor}{thread}"))).ok()?
            {
                let flags = name
                    .to_str()
                    .and_then(|name| name.strip_prefix("_sysconfigdata_")?.split_once("_linux_"));
                found.extend(
                    flags
                        .filter(|(flags, _)| is_flags(flags))
                        .map(|(flags, _)| flags.to_owned()),
                );
            }
        }
    }
    found.pop_first().filter(|_| found.is_empty())
}

/// Whether these are letters of `sys.abiflags`: debug, pymalloc, free-threaded, wide Unicode.
pub(super) fn is_flags(text: &str) -> bool {
    text.bytes().all(|byte| b"dmtu".contains(&byte))
}
