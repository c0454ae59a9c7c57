//! Names of compiled bytecode (PEP 3147, PEP 488).

use foldhash::HashSet;

use crate::path::RelPath;

/// The directory that holds the bytecode of its neighbours (PEP 3147).
pub const BYTECODE: &str = "__pycache__";

/// The directory of bytecode as a path.
pub(super) fn bytecode_directory() -> RelPath {
    RelPath::parse(BYTECODE).expect("a plain name is a path")
}

/// Whether `cache`, a name in `__pycache__`, was compiled from one of the sources with these stems,
/// by any interpreter and at any level (PEP 3147, PEP 488): `stem.tag.pyc` or `stem.tag.opt-N.pyc`.
pub(super) fn is_bytecode_of(cache: &str, stems: &HashSet<&str>) -> bool {
    let Some(rest) = cache.strip_suffix(".pyc") else {
        return false;
    };
    let rest = match rest.rsplit_once('.') {
        Some((head, last)) if last.starts_with("opt-") => head,
        _ => rest,
    };
    rest.rsplit_once('.')
        .is_some_and(|(stem, _)| stems.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c56_bytecode_of_every_level_and_interpreter() {
        let stems = HashSet::from_iter(["mod", "__init__"]);
        for cache in [
            "mod.cpython-311.pyc",
            "mod.cpython-39.opt-2.pyc",
            "__init__.pypy311.pyc",
        ] {
            assert!(is_bytecode_of(cache, &stems), "{cache}");
        }
        for cache in [
            "other.cpython-311.pyc",
            "mod.py",
            "mod.pyc",
            "mod.x.y.cpython-311.pyc",
        ] {
            assert!(!is_bytecode_of(cache, &stems), "{cache}");
        }
    }
}
