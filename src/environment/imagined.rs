//! An environment that exists nowhere yet: what is planned for it is packed and shipped.
//!
//! Input: the interpreter that wheels are chosen for, and a layout. Output: an [`Environment`] like
//! any other. Nothing is looked at.

use std::path::Path;

use super::layout::{Layout, SchemeKey};
use super::{Environment, EnvironmentKind, Python, Scheme, ScriptInterpreter};
use crate::path::RelPath;

impl Environment {
    /// The environment with the places of `layout`, for `python`. If it `is_relocatable`, its
    /// scripts start the interpreter beside them, and otherwise the executable of `python`.
    pub(crate) fn imagined(layout: &Layout, python: Python, is_relocatable: bool) -> Self {
        let directory = |key| layout.absolute_directory(key);
        Self {
            kind: EnvironmentKind::Venv,
            root: layout.environment_root().to_owned(),
            scheme: Scheme {
                purelib: directory(SchemeKey::Purelib),
                platlib: directory(SchemeKey::Platlib),
                scripts: directory(SchemeKey::Scripts),
                data: directory(SchemeKey::Data),
                headers: directory(SchemeKey::Headers),
            },
            python: Ok(python),
            script_interpreter: if is_relocatable {
                ScriptInterpreter::Beside
            } else {
                ScriptInterpreter::Own
            },
            destdir: None,
            identity: None,
        }
    }
}

impl Layout {
    /// The layout of a virtual environment that does not exist yet, for an interpreter whose
    /// library has this name, such as `python3.11`.
    pub fn movable(root: &str, name: &str) -> Self {
        let mut layout = Self::nominal(root, &format!("lib/{name}/site-packages"));
        // As in virtual environments: `include` itself is the interpreter's.
        let headers = format!("include/site/{name}");
        let base = &mut layout.bases[4];
        base.lexical = Path::new(root).join(&headers);
        base.inside = Some(RelPath::parse(&headers).expect("plain"));
        layout
    }
}
