//! The directories that hold the metadata of projects ("Recording installed projects", "The
//! .dist-info directory"), and their predecessors, `*.egg-info`.
//!
//! Input: a name. Output: whether Python's tools take a directory of that name for a project.

use crate::path;

/// How the names of metadata end, folded.
const ENDINGS: [&str; 2] = [".dist-info", ".egg-info"];

/// Whether the name of a directory or file says that it is the metadata of a project. Case does not
/// count: `importlib.metadata` ignores it, and so do some file systems.
pub fn is_metadata_name(name: &str) -> bool {
    let folded = path::folded(name);
    ENDINGS.iter().any(|ending| folded.ends_with(ending))
}

/// Whether the name is that of a dist-info directory in any spelling.
pub fn is_dist_info_name(name: &str) -> bool {
    // Almost all names end otherwise in plain ASCII, and need no folding.
    if name.is_ascii() {
        let start = name.len().saturating_sub(ENDINGS[0].len());
        return name.as_bytes()[start..].eq_ignore_ascii_case(ENDINGS[0].as_bytes());
    }
    path::folded(name).ends_with(ENDINGS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_recognised_in_every_spelling() {
        for name in [
            "victim-2.0.dist-info",
            "Victim-2.0.DIST-INFO",
            // LATIN SMALL LETTER LONG S, and a ligature of it, fold to `s` and `st`.
            "victim-2.0.di\u{17f}t-info",
            "victim-2.0.di\u{fb05}-info",
        ] {
            assert!(is_metadata_name(name) && is_dist_info_name(name), "{name}");
        }
        for name in ["victim.egg-info", "victim.EGG-INFO"] {
            assert!(is_metadata_name(name) && !is_dist_info_name(name), "{name}");
        }
        for name in ["victim", "", "dist-info", "victim.dist-info.py", "é.py"] {
            assert!(
                !is_metadata_name(name) && !is_dist_info_name(name),
                "{name}"
            );
        }
    }
}
