//! Names of scripts: which win over others, which depend on the Python, which are refused.

use crate::path::folded;
use crate::spec::digits::number;
use crate::spec::python_name::is_interpreter;

/// How the names begin that [`is_protected_name`] knows, activation scripts and interpreters.
const PROTECTED_BEGINNINGS: [&str; 5] = ["activate", "deactivate", "python", "pypy", "graalpy"];

/// Whether the file `script_file_name` below `.data/scripts` is left out because an entry point of
/// that name gets a launcher. Older tools gave launchers for Windows other endings.
pub fn shadowed_by_entry_point(script_file_name: &str, entry_point_name: &str) -> bool {
    let ending = script_file_name.strip_prefix(entry_point_name);
    ending.is_some_and(|ending| {
        // pip leaves out scripts with the same endings, so both install the same files.
        ["", ".exe", "-script.py", ".pya"]
            .into_iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

/// The console scripts of the project `pip`, or of an old `setuptools`, in an environment of Python
/// `python`; entries are name, module and attribute.
///
/// Their wheels fit every Python but have entries with the version of the one that built them. So
/// the versioned names are dropped and made anew from `pip` (`pip3`, `pip3.11`) and `easy_install`
/// (`easy_install-3.11`). Other entries are unchanged.
pub fn console_names(
    entries: Vec<(String, String, String)>,
    python: (u32, u32),
) -> Vec<(String, String, String)> {
    let (major, minor) = python;
    let rules: [(&str, &str, Vec<String>); 2] = [
        (
            "pip",
            "",
            vec![
                "pip".into(),
                format!("pip{major}"),
                format!("pip{major}.{minor}"),
            ],
        ),
        (
            "easy_install",
            "-",
            vec![
                "easy_install".into(),
                format!("easy_install-{major}.{minor}"),
            ],
        ),
    ];
    let mut made = Vec::new();
    let mut kept = entries;
    for (base, separator, names) in rules {
        // Without the unversioned entry there is no target for new names, so nothing is dropped.
        let Some((_, module, attribute)) = kept.iter().find(|entry| entry.0 == base).cloned()
        else {
            continue;
        };
        made.extend(
            names
                .into_iter()
                .map(|name| (name, module.clone(), attribute.clone())),
        );
        kept.retain(|entry| !is_versioned(&entry.0, base, separator));
    }
    made.extend(kept);
    made
}

/// Whether `name` is `base`, or `base`, `separator` and a version of one or two numbers.
fn is_versioned(name: &str, base: &str, separator: &str) -> bool {
    let Some(rest) = name.strip_prefix(base) else {
        return false;
    };
    let number = |text: &str| number::<u32>(text).is_some();
    rest.is_empty()
        || rest
            .strip_prefix(separator)
            .is_some_and(|version| match version.split_once('.') {
                Some((major, minor)) => number(major) && number(minor),
                // pip treats `pip3` as versioned, but expects two numbers after `easy_install-`.
                None => separator.is_empty() && number(version),
            })
}

/// The part of an environment that a file of this name in the directory of scripts would overwrite,
/// if no wheel may do so. Case does not matter, since some file systems ignore it.
pub fn is_protected_name(file_name: &str) -> Option<&'static str> {
    // This runs for every file of every wheel, and nearly all begin otherwise.
    if !may_be_protected(file_name) {
        return None;
    }
    // Windows drops dots and spaces at the end of a name.
    let name = folded(file_name.trim_end_matches(['.', ' ']));
    match name.as_str() {
        "activate" | "activate.csh" | "activate.fish" | "activate.nu" | "activate.ps1"
        | "activate.bat" | "activate.xsh" | "activate_this.py" | "deactivate"
        | "deactivate.bat" | "deactivate.nu" => Some("an activation script of the environment"),
        _ => is_interpreter(&name).then_some("the interpreter"),
    }
}

/// Whether `file_name` begins like a name of the environment, or is not ASCII, so that folding may
/// turn it into one. Allocates nothing.
fn may_be_protected(file_name: &str) -> bool {
    let begins = |known: &str| {
        let begin = file_name.get(..known.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(known))
    };
    !file_name.is_ascii() || PROTECTED_BEGINNINGS.iter().any(|known| begins(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c32_r83_an_entry_point_wins_over_a_file() {
        for file in ["foo", "foo.exe", "foo.EXE", "foo-script.py", "foo.pya"] {
            assert!(shadowed_by_entry_point(file, "foo"), "{file}");
        }
        for file in ["Foo", "foo.py", "foo-script", "fo", "", "é"] {
            assert!(!shadowed_by_entry_point(file, "foo"), "{file}");
        }
    }

    #[test]
    fn e52_pip_is_named_after_the_environment() {
        let entry = |name: &str| (name.to_owned(), format!("{name}.main"), "main".to_owned());
        let names = |entries: &[&str]| -> Vec<String> {
            let entries = entries.iter().map(|name| entry(name)).collect();
            console_names(entries, (3, 12))
                .into_iter()
                .map(|entry| format!("{}={}", entry.0, entry.1))
                .collect()
        };
        assert_eq!(
            names(&["pip3.99", "pipx", "pip", "pip3", "pip-3"]),
            [
                "pip=pip.main",
                "pip3=pip.main",
                "pip3.12=pip.main",
                "pipx=pipx.main",
                "pip-3=pip-3.main"
            ]
        );
        assert_eq!(
            names(&["easy_install", "easy_install-3.6", "easy_install-3"]),
            [
                "easy_install=easy_install.main",
                "easy_install-3.12=easy_install.main",
                "easy_install-3=easy_install-3.main"
            ]
        );
        assert_eq!(names(&["pip3.9"]), ["pip3.9=pip3.9.main"]);
    }

    #[test]
    fn e52_e53_r78_r79_r80_names_of_the_environment_are_protected() {
        let interpreters = "python Python PYTHON.EXE python3 python3.11 python3.13t \
                            python3.12d.exe pythonw pythonw.exe pythonw3.11 python_d.exe pypy \
                            pypy3 pypy3.11 graalpy GraalPy PYPY python.exe.";
        for name in interpreters.split_whitespace() {
            assert_eq!(is_protected_name(name), Some("the interpreter"), "{name}");
        }
        for name in [
            "activate",
            "Activate.ps1",
            "activate.FISH",
            // LATIN SMALL LETTER LONG S folds to `s`.
            "activate.fi\u{17f}h",
            "ACTIVATE_this.py",
            "Deactivate.bat",
        ] {
            assert_eq!(
                is_protected_name(name),
                Some("an activation script of the environment"),
                "{name}"
            );
        }
        for name in [
            "",
            "python-config",
            "python3-config",
            "pythonpy",
            "pythont",
            "ipython",
            "pip3.11",
            "activate-it",
        ] {
            assert_eq!(is_protected_name(name), None, "{name}");
        }
    }
}
