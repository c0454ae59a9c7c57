//! Guards the metadata of installed projects: a wheel speaks for itself only.
//!
//! Input: the place of a file. Output: whether it is, or lies in, a `*.dist-info` or `*.egg-info`
//! at the top of a library directory. Every tool takes such a directory for an installed project,
//! so a wheel that brought one below `.data` could register other projects, or forge the files of
//! its own dist-info that only installers write. Pure.

use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::path;
use crate::spec::metadata_directory::is_metadata_name;

/// Whether the place is, or lies in, the metadata of a project at the top of a library directory.
pub fn is_project_metadata(layout: &Layout, place: &Place) -> bool {
    // Both paths are folded, because a file system that ignores case also ignores it on the way.
    let folded = path::folded(place.path.as_str());
    [SchemeKey::Purelib, SchemeKey::Platlib].iter().any(|key| {
        let (root, inside) = layout.directory(*key);
        let below = match inside {
            _ if root != place.root => None,
            None => Some(folded.as_str()),
            Some(inside) => folded
                .strip_prefix(&path::folded(inside.as_str()))
                .and_then(|rest| rest.strip_prefix('/')),
        };
        let top = below.and_then(|below| below.split('/').next());
        top.is_some_and(is_metadata_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::layout::RootId;
    use crate::path::RelPath;

    const LIBRARY: &str = "lib/python3.11/site-packages";

    fn guarded(layout: &Layout, path: &str) -> bool {
        let place = Place {
            root: RootId(0),
            path: RelPath::parse(path).expect("plain"),
        };
        is_project_metadata(layout, &place)
    }

    #[test]
    fn metadata_at_the_top_of_a_library_is_guarded() {
        let venv = Layout::for_tests("/venv", LIBRARY);
        for path in [
            "victim-2.0.dist-info/METADATA",
            "victim-2.0.dist-info",
            "victim.egg-info/PKG-INFO",
            "Victim-2.0.DIST-INFO/RECORD",
        ] {
            assert!(guarded(&venv, &format!("{LIBRARY}/{path}")), "{path}");
        }
        assert!(guarded(
            &venv,
            "LIB/Python3.11/site-packages/v-1.dist-info/x"
        ));
        for path in ["pkg/v-1.dist-info/x", "v-1.dist-info.py", "dist-info/x"] {
            assert!(!guarded(&venv, &format!("{LIBRARY}/{path}")), "{path}");
        }
        assert!(!guarded(&venv, "share/v-1.dist-info/x"));
        assert!(!guarded(&venv, "v-1.dist-info/x"));
        let target = Layout::for_tests("/target", "");
        assert!(guarded(&target, "v-1.dist-info/x"));
    }
}
