//! The programs that an artefact brings: an interpreter that finds a real one, and the start of an
//! application in one file.
//!
//! Input: which interpreter is needed, and what runs. Output: texts, from the templates in `texts`.
//! Invariant: the texts say nothing about the machine that packs.

use crate::environment::Python;
use crate::spec::tags::Implementation;

/// The part that all programs have in common.
const BASE: &str = include_str!("texts/base.py");
const INTERPRETER: &str = include_str!("texts/python.sh");
const START: &str = include_str!("texts/start.sh");
const MAIN: &str = include_str!("texts/start.py");

/// The interpreter that an artefact needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededPython {
    /// Its name on a search path, such as `python3.11`. Its library has the same name.
    pub name: String,
    /// `sys.implementation.cache_tag`, such as `cpython-311`.
    pub tag: String,
    /// Whether it runs without the global lock.
    pub is_threaded: bool,
}

impl NeededPython {
    /// The one that the wheels are chosen for; `None` if it is neither CPython nor PyPy.
    pub fn of(python: &Python) -> Option<Self> {
        let target = &python.target;
        let (major, minor) = target.version;
        let is_threaded = target.free_threaded;
        Some(match target.implementation {
            Implementation::CPython => Self {
                name: format!(
                    "python{major}.{minor}{}",
                    if is_threaded { "t" } else { "" }
                ),
                tag: format!("cpython-{major}{minor}"),
                is_threaded,
            },
            Implementation::PyPy => Self {
                name: format!("pypy{major}.{minor}"),
                tag: format!("pypy{major}{minor}"),
                is_threaded,
            },
            Implementation::Other(_) => return None,
        })
    }

    /// The content of `bin/python`.
    pub fn interpreter(&self) -> Vec<u8> {
        self.filled(INTERPRETER, &[])
    }

    /// The lines before the archives of an application. `entry` is the name of a script.
    pub(super) fn start(&self, id: &str, entry: Option<&str>) -> Vec<u8> {
        let word = entry.map_or_else(String::new, |entry| {
            format!("'{}'", entry.replace('\'', r"'\''"))
        });
        self.filled(START, &[("@ID@", id), ("@ENTRY@", &word)])
    }

    /// `__main__.py` of an application whose environment is these bytes of the file.
    pub(super) fn main(&self, id: &str, entry: Option<&str>, inner: (u64, u64)) -> Vec<u8> {
        let (start, end) = (inner.0.to_string(), inner.1.to_string());
        let entry = entry.unwrap_or_default().replace('\\', r"\\");
        let values = [
            ("@ID@", id),
            ("@ENTRY_NAME@", &entry.replace('"', r#"\""#)),
            ("@START@", &start),
            ("@END@", &end),
        ];
        self.filled(MAIN, &values)
    }

    fn filled(&self, template: &str, values: &[(&str, &str)]) -> Vec<u8> {
        let threaded = if self.is_threaded { "True" } else { "False" };
        let own = [
            ("@BASE@", BASE),
            ("@NAME@", &self.name),
            ("@TAG@", &self.tag),
            ("@THREADED@", threaded),
        ];
        let mut text = template.to_owned();
        for (place, value) in own.iter().chain(values) {
            text = text.replace(place, value);
        }
        text.into_bytes()
    }
}
