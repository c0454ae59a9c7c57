//! Names that mean something to Python, or are Python itself.

/// Whether `text` is one name of Python source. This accepts letters, digits and `_` with no digit
/// first: every identifier, and nothing that ends one.
pub fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(char::is_numeric)
        && text.chars().all(|c| c == '_' || c.is_alphanumeric())
}

/// Whether `text` is a name or names with dots between them, as of a module.
pub fn is_dotted_identifier(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

/// Whether a file of this name in a directory of scripts would be an interpreter: `python`,
/// `pypy3`, `Python3.13t`, `pythonw.exe`, `python_d`, but not `python-config` or `pythonpy`. Case
/// does not matter, since some file systems ignore it.
pub fn is_interpreter(file_name: &str) -> bool {
    let name = file_name.to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    let bases = ["python", "pypy", "graalpy"];
    let Some(rest) = bases.iter().find_map(|base| name.strip_prefix(base)) else {
        return false;
    };
    let rest = rest.strip_suffix("_d").unwrap_or(rest);
    let version = rest.strip_prefix('w').unwrap_or(rest);
    // After a version: builds with threads, debugging, pymalloc, wide Unicode, windows.
    let digits = version.trim_end_matches(['t', 'd', 'm', 'u', 'w']);
    // Flags need a version before them: `pythont` is a program of its own.
    let only_flags = digits.is_empty() && !version.is_empty();
    !only_flags && digits.chars().all(|c| c == '.' || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r78_every_spelling_of_an_interpreter_is_known() {
        let interpreters = "python Python PYTHON.EXE python3 python3.11 python3.13t \
                            python3.12d.exe pythonw pythonw.exe pythonw3.11 python_d.exe pypy \
                            pypy3 pypy3.11 graalpy";
        for name in interpreters.split_whitespace() {
            assert!(is_interpreter(name), "{name}");
        }
        for name in [
            "",
            "python-config",
            "pythonpy",
            "pythont",
            "ipython",
            "pip3.11",
        ] {
            assert!(!is_interpreter(name), "{name}");
        }
    }

    #[test]
    fn r81_identifiers_have_no_other_characters_and_no_digit_first() {
        for name in ["a", "_", "a1", "é.ñ", "a.b_c"] {
            assert!(is_dotted_identifier(name), "{name}");
        }
        for name in ["", "1a", "a-b", "a..b", ".a", "a b", "²", "a;b"] {
            assert!(!is_dotted_identifier(name), "{name}");
        }
    }
}
