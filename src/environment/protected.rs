//! The files of an environment that no project may own.
//!
//! Input: a [`Layout`]. Output: whether a place is protected, and as what: the interpreter,
//! activation scripts, `pyvenv.cfg`, the lock, the state of transactions. Pure. Places are compared
//! after resolving links, because a link or a mount inside the environment is another way to the
//! same directory.

use std::path::PathBuf;

use super::layout::{Layout, Place, STATE_DIR, SchemeKey};
use crate::path::folds_to;
use crate::script;

/// The protected files of an environment.
#[derive(Debug, Clone)]
pub struct Protected {
    scripts: PathBuf,
    home: PathBuf,
    libraries: [PathBuf; 2],
}

impl Protected {
    /// The protected files of an environment.
    pub fn of(layout: &Layout) -> Self {
        let own = |key| layout.absolute_directory(key);
        Self {
            scripts: own(SchemeKey::Scripts),
            home: own(SchemeKey::Data),
            libraries: [own(SchemeKey::Purelib), own(SchemeKey::Platlib)],
        }
    }

    /// The protected file that exists or could exist at `place`; `None` for an ordinary file.
    pub fn reason(&self, layout: &Layout, place: &Place) -> Option<&'static str> {
        if is_state(place.path.as_str()) {
            return Some("the state of a transaction");
        }
        // Names are compared first: nearly all files are none of these, and need no absolute path.
        let name = place.path.file_name();
        if !may_be_protected(name) {
            return None;
        }
        let is_settings = folds_to(name, "pyvenv.cfg");
        let is_lock = folds_to(name, ".lock");
        let program = script::is_protected_name(name);
        if !is_settings && !is_lock && program.is_none() {
            return None;
        }
        let path = layout.absolute(place);
        let directory = path.parent()?;
        if is_settings && directory == self.home {
            return Some("the environment's configuration");
        }
        if is_lock
            && (directory == self.home || self.libraries.iter().any(|library| directory == library))
        {
            return Some("the environment's lock");
        }
        program.filter(|_| directory == self.scripts)
    }
}

/// Whether `name` begins like a protected one, or with a character that may fold to such a
/// beginning.
fn may_be_protected(name: &str) -> bool {
    // This runs for every file of every wheel. The other checks look at it several times.
    match name.as_bytes().first() {
        Some(first) => !first.is_ascii() || b".adgp".contains(&first.to_ascii_lowercase()),
        None => false,
    }
}

/// Whether a component of the path is the state directory, in any case: a file system that ignores
/// case would open the very same directory.
fn is_state(path: &str) -> bool {
    // This runs for every file of every wheel, so it visits dots only and allocates nothing.
    memchr::memchr_iter(b'.', path.as_bytes()).any(|at| {
        let (before, rest) = path.split_at(at);
        let is_begin = before.is_empty() || before.ends_with('/');
        is_begin && folds_to(rest.split('/').next().unwrap_or(rest), STATE_DIR)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::layout::RootId;
    use crate::path::RelPath;

    fn reason(path: &str) -> Option<&'static str> {
        let layout = Layout::for_tests("/venv", "lib/python3.11/site-packages");
        let place = Place {
            root: RootId(0),
            path: RelPath::parse(path).expect("plain"),
        };
        Protected::of(&layout).reason(&layout, &place)
    }

    #[test]
    fn only_the_environments_own_files_are_protected() {
        let library = "lib/python3.11/site-packages";
        for path in [
            format!("{library}/.pkg-install/journal"),
            format!("{library}/pkg/.PKG-install/x"),
            format!("{library}/.pkg-install"),
            // KELVIN SIGN, LATIN SMALL LETTER LONG S, and a ligature of `st` fold to ASCII.
            format!("{library}/.p\u{212a}g-in\u{17f}tall/journal"),
            format!("{library}/.pkg-in\u{fb05}all"),
            ".loc\u{212a}".to_owned(),
            "bin/activate.fi\u{17f}h".to_owned(),
            format!("{library}/.lock"),
            ".lock".to_owned(),
            "pyvenv.cfg".to_owned(),
            "PyVenv.cfg".to_owned(),
            "bin/python3".to_owned(),
            "bin/activate".to_owned(),
            "bin/Deactivate.bat".to_owned(),
            "bin/pypy3".to_owned(),
            "bin/graalpy".to_owned(),
        ] {
            assert!(reason(&path).is_some(), "{path}");
        }
        for path in [
            format!("{library}/.pkg-install.py"),
            format!("{library}/a.pkg-install/x"),
            format!("{library}/pkg/.lock"),
            format!("{library}/pyvenv.cfg"),
            format!("{library}/python3"),
            "bin/pip".to_owned(),
        ] {
            assert_eq!(reason(&path), None, "{path}");
        }
    }
}
