//! Scripts: launchers for entry points, and the first line of the scripts in a wheel.
//!
//! Input: names, bytes, and the interpreter that shall run the script: an absolute path, or the one
//! beside the script. Output: the bytes of an executable file for POSIX, on which console and GUI
//! scripts use one interpreter.
//! Invariants: the script runs with that interpreter for every spelling of its path, and means the
//! same to Python as before; a script that does not ask for an interpreter is unchanged, byte for
//! byte. Limits: a path with a line break or NUL, or one that is not UTF-8, cannot be written into
//! a script and is refused.

mod names;
mod rewrite;
mod shebang;
#[cfg(all(test, unix))]
mod tests;

pub use names::{console_names, is_protected_name, shadowed_by_entry_point};
pub use rewrite::{HEAD, rewritten, wants_rewrite};
pub use shebang::{MAX_SHEBANG, ScriptPython, shebang};

use crate::spec::python_name::is_dotted_identifier;

/// A script that calls `attribute` of `module` and exits with the returned value; `None` means
/// success ("Entry points specification", "Use for scripts").
///
/// `attribute` may be dotted: its first part is imported, the rest is looked up. The error says why
/// the path cannot be written into a script, or which name is not a Python name.
pub fn launcher<'p>(
    interpreter: impl Into<ScriptPython<'p>>,
    module: &str,
    attribute: &str,
) -> Result<Vec<u8>, &'static str> {
    // Both become Python source, so anything but names would be code that the wheel chooses.
    if !is_dotted_identifier(module) {
        return Err("its module is not a Python name");
    }
    if !is_dotted_identifier(attribute) {
        return Err("its attribute is not a Python name");
    }
    // `from ... import` takes names without dots, so only the first part can be imported.
    let imported = attribute.split('.').next().unwrap_or(attribute);
    let mut script = shebang(interpreter)?;
    script.extend_from_slice(
        format!(
            r#"# -*- coding: utf-8 -*-
import sys
from {module} import {imported}
if __name__ == "__main__":
    for ending in (".exe", "-script.py", "-script.pyw"):
        if sys.argv[0].endswith(ending):
            sys.argv[0] = sys.argv[0][: -len(ending)]
            break
    sys.exit({attribute}())
"#
        )
        .as_bytes(),
    );
    Ok(script)
}
