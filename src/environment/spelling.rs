//! How places are spelled for people and for interpreters.
//!
//! Input: a place. Output: a path as text. Pure; a path that RECORD writes is made in `layout.rs`.

use std::path::{Path, PathBuf};

use super::layout::{Base, Layout, Place, SchemeKey};

impl Layout {
    /// The place as people see it: as RECORD spells it if it is in a library, else relative to the
    /// environment's root, else absolute.
    pub fn show(&self, place: &Place) -> String {
        if let Some((_, below)) = self.in_library(place) {
            return below.to_owned();
        }
        if place.root == self.own.root {
            return place.path.as_str().to_owned();
        }
        self.absolute(place).display().to_string()
    }

    /// The path by which an interpreter imports the file at a place: as its library is spelled,
    /// without the destdir in front.
    pub fn final_path(&self, place: &Place, destdir: Option<&Path>) -> PathBuf {
        let path = match self.in_library(place) {
            Some((library, below)) => library.lexical.join(below),
            None => self.absolute(place),
        };
        match destdir.and_then(|destdir| path.strip_prefix(destdir).ok()) {
            Some(below) => Path::new("/").join(below),
            None => path,
        }
    }

    /// The library that holds a place, and the path in it.
    fn in_library<'p>(&self, place: &'p Place) -> Option<(&Base, &'p str)> {
        let libraries = [SchemeKey::Purelib, SchemeKey::Platlib];
        libraries.into_iter().find_map(|key| {
            let library = self.base(key);
            let below = match &library.inside {
                _ if library.root != place.root => None,
                None => Some(place.path.as_str()),
                Some(inside) => place.path.below(inside),
            };
            Some((library, below?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RelPath;

    const LIBRARY: &str = "lib/python3.11/site-packages";

    #[test]
    fn places_are_shown_relative_to_the_library_then_to_the_root_then_absolute() {
        let mut layout = Layout::for_tests("/venv", LIBRARY);
        assert_eq!(
            layout.show(&Place::for_tests(&format!("{LIBRARY}/a/b.py"))),
            "a/b.py"
        );
        assert_eq!(layout.show(&Place::for_tests("bin/tool")), "bin/tool");
        // Not below the library, although the name begins alike.
        let beside = format!("{LIBRARY}-extra/a.py");
        assert_eq!(layout.show(&Place::for_tests(&beside)), beside);
        let elsewhere = Place {
            root: layout.root_at(Path::new("/opt/lib")).expect("few roots"),
            path: RelPath::parse("x.py").expect("plain"),
        };
        assert_eq!(layout.show(&elsewhere), "/opt/lib/x.py");
    }

    #[test]
    fn final_paths_are_those_of_the_library_without_the_destdir() {
        let layout = Layout::for_tests("/dest/venv", LIBRARY);
        let module = Place::for_tests(&format!("{LIBRARY}/a/b.py"));
        let path = |destdir| layout.final_path(&module, destdir);
        let below = format!("venv/{LIBRARY}/a/b.py");
        assert_eq!(path(None), Path::new("/dest").join(&below));
        assert_eq!(path(Some(Path::new("/dest"))), Path::new("/").join(&below));
    }
}
