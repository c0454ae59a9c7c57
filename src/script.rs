//! Scripts: launchers of entry points, and the first line of the scripts that a wheel brings along.
//!
//! Input: names, bytes, and the absolute path of the interpreter that shall run the script. Output:
//! the bytes of an executable file for POSIX, where console and gui scripts use one interpreter.
//! Invariants: what is written here runs with that interpreter, whatever its path looks like, and
//! means the same to Python as before; a script that does not ask for an interpreter stays as it
//! is, byte for byte. Limits: a path with a line break or NUL, or one that is not UTF-8, cannot be
//! written into a script and is refused.

use std::path::Path;

/// The longest first line in bytes, `#!` and line feed included, that every kernel takes; Linux
/// took 127 until 5.1.
pub const MAX_SHEBANG: usize = 127;

/// What a script begins with that asks for the interpreter of its environment ("Recommended
/// installer features").
const PLACEHOLDER: &[u8] = b"#!python";

/// How many bytes of a file [`wants_rewrite`] has to see.
pub const HEAD: usize = PLACEHOLDER.len();

/// The first line, or lines, of a Python script that `interpreter` shall run.
///
/// A path that is too long for the kernel, or that the kernel would split at a blank, goes through
/// `/bin/sh`: the lines are a command to the shell and a text without effect to Python.
///
/// # Errors
/// Why the path cannot stand in a script.
pub fn shebang(interpreter: &Path) -> Result<Vec<u8>, &'static str> {
    let path = checked(interpreter)?;
    if fits(path) {
        Ok(simple(path))
    } else {
        Ok(trampoline(path, None))
    }
}

/// A script that calls `attribute` of `module` and exits with what it returns; `None` is success
/// ("Entry points specification", "Use for scripts").
///
/// `attribute` may be dotted: its first part is imported, the rest is looked up.
///
/// # Errors
/// Why the path cannot stand in a script, or that a name is not a Python name.
pub fn launcher(
    interpreter: &Path,
    module: &str,
    attribute: &str,
) -> Result<Vec<u8>, &'static str> {
    // Both become Python source: anything else than names would be code of the wheel's choice.
    if !module.split('.').all(is_identifier) {
        return Err("its module is not a Python name");
    }
    if !attribute.split('.').all(is_identifier) {
        return Err("its attribute is not a Python name");
    }
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

/// Whether a file below `.data/scripts` that begins with `head` gets another first line: it begins
/// with `#!python`, which `#!pythonw` and `#!python3` do too ("Recommended installer features").
/// [`HEAD`] bytes are enough.
pub fn wants_rewrite(head: &[u8]) -> bool {
    head.starts_with(PLACEHOLDER)
}

/// `content` with the interpreter in its first line; unchanged where [`wants_rewrite`] says no
/// ("Recommended installer features").
///
/// The whole first line is replaced, with its arguments and its carriage return. All other bytes
/// are kept. Where Python would no longer find the declaration of the script's encoding in the
/// first two lines (PEP 263), it is repeated there.
///
/// # Errors
/// Why the path cannot stand in a script.
pub fn rewritten(content: &[u8], interpreter: &Path) -> Result<Vec<u8>, &'static str> {
    if !wants_rewrite(content) {
        return Ok(content.to_vec());
    }
    let path = checked(interpreter)?;
    let end = content
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(content.len(), |at| at + 1);
    let (first, rest) = content.split_at(end);
    let second = rest
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or(rest);
    let of_first = declared_encoding(first);
    let encoding = of_first.or_else(|| declared_encoding(second));
    let mentions = |word: &[u8]| rest.windows(word.len()).any(|window| window == word);
    let readable = path.is_ascii() || encoding.is_none_or(is_utf8);
    let mut script = if fits(path) && readable {
        let mut line = simple(path);
        line.extend(of_first.map(coding_line).unwrap_or_default().as_bytes());
        line
    } else if mentions(b"__doc__") || mentions(b"__future__") {
        trampoline_in_comment(path, encoding)
    } else {
        trampoline(path, encoding)
    };
    script.extend_from_slice(rest);
    Ok(script)
}

/// The path as text, if it can stand in a script at all.
fn checked(interpreter: &Path) -> Result<&str, &'static str> {
    let path = interpreter
        .to_str()
        .ok_or("the interpreter's path is not UTF-8")?;
    if path.contains(['\n', '\r', '\0']) {
        return Err("the interpreter's path has a line break or NUL");
    }
    if !path.starts_with('/') {
        Err("the interpreter's path is not absolute")
    } else {
        Ok(path)
    }
}

/// Whether a kernel finds the interpreter in a plain first line, and Python finds nothing else in
/// it.
fn fits(path: &str) -> bool {
    let line = simple(path);
    // The first line is a comment to Python: `/encoding=x/` in it would declare an encoding.
    line.len() <= MAX_SHEBANG
        && !path.contains([' ', '\t', '\x0c'])
        && declared_encoding(&line).is_none()
}

fn simple(path: &str) -> Vec<u8> {
    format!("#!{path}\n").into_bytes()
}

/// A shell command within a Python text: `'''exec'` is the word `exec` to the shell and opens a
/// text for Python, which ends on the next line, where the shell never arrives.
fn trampoline(path: &str, encoding: Option<&str>) -> Vec<u8> {
    let ascii_only = encoding.is_some_and(|encoding| !is_utf8(encoding));
    let word = quoted(path, ascii_only);
    let coding = encoding.map(coding_line).unwrap_or_default();
    format!("#!/bin/sh\n{coding}'''exec' {word} \"$0\" \"$@\"\n' '''\n").into_bytes()
}

/// The same in a Python comment, for a script whose first statement has to stay the first: a text
/// before it would become its `__doc__`, and would make `from __future__ import` after its own one
/// an error.
///
/// The line begins with a form feed. Python skips it and sees a comment; to the shell it makes `#`
/// part of a word, here of a command that cannot exist since it ends with `/`, and the shell goes
/// on to the next command. That the line declares an encoding keeps the path from doing so.
fn trampoline_in_comment(path: &str, encoding: Option<&str>) -> Vec<u8> {
    let encoding = encoding.unwrap_or("utf-8");
    let word = quoted(path, !is_utf8(encoding));
    format!("#!/bin/sh\n\x0c#/ coding: {encoding} 2>/dev/null; exec {word} \"$0\" \"$@\"\n")
        .into_bytes()
}

/// `path` as one word of the shell that is also harmless within a Python text between `'''`.
///
/// A quote becomes `'\''`, which never puts three quotes side by side that Python would count: one
/// is escaped. A backslash, and with `ascii_only` what is not ASCII, is spelled in octal for
/// `printf`, because Python would take `\x` or `\N` for an escape of its own; `\0ddd` is one to it
/// as well, and a good one.
fn quoted(path: &str, ascii_only: bool) -> String {
    if !path.contains('\\') && (path.is_ascii() || !ascii_only) {
        return format!("'{}'", path.replace('\'', r"'\''"));
    }
    let mut word = String::from("\"$(printf %b '");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b' ' => {
                word.push(char::from(byte));
            }
            other => word.push_str(&format!("\\0{other:03o}")),
        }
    }
    word.push_str("')\"");
    word
}

fn coding_line(encoding: &str) -> String {
    format!("# -*- coding: {encoding} -*-\n")
}

/// The encoding that a line declares: `^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)` (PEP 263).
fn declared_encoding(line: &[u8]) -> Option<&str> {
    let start = line
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\x0c'))?;
    let mut rest = line[start..].strip_prefix(b"#")?;
    while let Some(at) = rest.windows(6).position(|window| window == b"coding") {
        rest = &rest[at + 6..];
        let Some((b':' | b'=', value)) = rest.split_first() else {
            continue;
        };
        let value = &value[value
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count()..];
        let is_name =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let length = value.iter().take_while(is_name).count();
        if length > 0 {
            return std::str::from_utf8(&value[..length]).ok();
        }
    }
    None
}

fn is_utf8(encoding: &str) -> bool {
    matches!(
        encoding.to_ascii_lowercase().replace('_', "-").as_str(),
        "utf-8" | "utf8" | "utf-8-sig"
    )
}

/// Letters, digits and `_`, no digit first: every Python name, and nothing that ends one.
fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_numeric())
        && !name.is_empty()
        && name
            .chars()
            .all(|character| character == '_' || character.is_alphanumeric())
}

/// Whether the file `script_file_name` below `.data/scripts` is left out because an entry point of
/// that name gets a launcher: it is the name itself, or one that older tools gave to a launcher for
/// Windows.
pub fn shadowed_by_entry_point(script_file_name: &str, entry_point_name: &str) -> bool {
    let ending = script_file_name.strip_prefix(entry_point_name);
    ending.is_some_and(|ending| {
        ["", ".exe", "-script.py", ".pya"]
            .into_iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

/// The console scripts of the project `pip`, or of an old `setuptools`, in an environment of Python
/// `python`; entries are name, module and attribute.
///
/// Their wheels fit every Python but name the versions of the one that built them, so the versioned
/// names are dropped and made anew from `pip` (`pip3`, `pip3.11`) and `easy_install`
/// (`easy_install-3.11`). Other entries stay as they are.
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
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_empty()
        || rest
            .strip_prefix(separator)
            .is_some_and(|version| match version.split_once('.') {
                Some((major, minor)) => number(major) && number(minor),
                None => separator.is_empty() && number(version),
            })
}

/// What a wheel would overwrite by a file of that name in the scripts directory, if it is something
/// that no wheel may overwrite; `None` for every other name. Case does not matter, since some file
/// systems ignore it.
pub fn is_protected_name(file_name: &str) -> Option<&'static str> {
    // Windows drops these at the end of a name.
    let name = file_name.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    match name.as_str() {
        "activate" | "activate.csh" | "activate.fish" | "activate.nu" | "activate.ps1"
        | "activate.bat" | "activate.xsh" | "activate_this.py" | "deactivate"
        | "deactivate.bat" | "deactivate.nu" => Some("an activation script of the environment"),
        _ => {
            is_interpreter(name.strip_suffix(".exe").unwrap_or(&name)).then_some("the interpreter")
        }
    }
}

/// `python`, `pypy3`, `python3.13t`, `pythonw`, `python_d`, but not `python-config` or `pythonpy`.
fn is_interpreter(name: &str) -> bool {
    let Some(rest) = ["python", "pypy", "graalpy"]
        .iter()
        .find_map(|base| name.strip_prefix(base))
    else {
        return false;
    };
    let rest = rest.strip_suffix("_d").unwrap_or(rest);
    let version = rest.strip_prefix('w').unwrap_or(rest);
    // After a version: threaded, debug, pymalloc, unicode and windowed builds.
    let digits = version.trim_end_matches(['t', 'd', 'm', 'u', 'w']);
    let flags_only = digits.is_empty() && !version.is_empty();
    !flags_only
        && digits
            .split('.')
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::process::{Command, Output};
    use std::sync::LazyLock;

    use super::*;

    /// Directory names that a kernel, a shell or Python would each take for something else.
    const AWKWARD: &str = r##"plain/with space/it's/''/'''/a'''b ''' c'/$HOME/`id`/$(id)/"quoted"/back\slash/
\x\N{x}\u12\/\' \'''/100% %s %%/é ü 漢/encoding=x/a;b|c&d>e*?[f]!g#h~"##;

    static PYTHON: LazyLock<String> = LazyLock::new(|| {
        let output = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable, end='')"])
            .output();
        String::from_utf8(output.expect("these tests need a python3").stdout).expect("UTF-8")
    });

    /// An interpreter below `directory`, by a link to the one of this machine.
    fn interpreter(root: &Path, directory: &str) -> PathBuf {
        let folder = root.join(directory);
        std::fs::create_dir_all(&folder).expect("created");
        symlink(&*PYTHON, folder.join("python")).expect("linked");
        folder.join("python")
    }

    fn run(root: &Path, script: &[u8]) -> Output {
        let file = root.join("the script");
        std::fs::write(&file, script).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
            .expect("made executable");
        // A process that another test starts may hold the file open for writing, between its fork
        // and its exec.
        loop {
            let mut command = Command::new(&file);
            command
                .args(["one", "two words"])
                .env("PYTHONPATH", root)
                .env("PYTHONWARNINGS", "error");
            match command.output() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now();
                }
                other => return other.expect("started"),
            }
        }
    }

    fn text_of(output: &Output) -> String {
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout.clone()).expect("UTF-8")
    }

    /// Says which interpreter runs it, and that it was given the arguments.
    const BODY: &[u8] = b"import os, sys\nassert sys.argv[1:] == ['one', 'two words']\n\
                          sys.stdout.buffer.write(os.fsencode(sys.executable))\n";

    #[test]
    fn e43_e44_c34_every_path_runs_its_interpreter() {
        let heads = [
            "",
            "__doc__\n",
            "# coding=shift_jis\n",
            "# coding: ascii\n'''own'''\nfrom __future__ import annotations\nassert __doc__ == 'own'\n",
        ];
        for name in AWKWARD
            .split(['/', '\n'])
            .filter(|name| !name.is_empty())
            .chain(["tab\there"])
        {
            let root = tempfile::tempdir().expect("a directory");
            let interpreter = interpreter(root.path(), name);
            let mut scripts =
                vec![[shebang(&interpreter).expect("a path"), BODY.to_vec()].concat()];
            for head in heads {
                let content = [b"#!python\n", head.as_bytes(), BODY].concat();
                scripts.push(rewritten(&content, &interpreter).expect("a path"));
            }
            for script in scripts {
                let shown = String::from_utf8_lossy(&script);
                assert_eq!(
                    Path::new(&text_of(&run(root.path(), &script))),
                    interpreter,
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn c34_long_shebang_goes_through_the_shell() {
        let root = tempfile::tempdir().expect("a directory");
        let long = interpreter(
            root.path(),
            &format!("{}/{}", "d".repeat(200), "e".repeat(200)),
        );
        let script = [shebang(&long).expect("a path"), BODY.to_vec()].concat();
        assert!(script.starts_with(b"#!/bin/sh\n'''exec' '/"));
        assert_eq!(Path::new(&text_of(&run(root.path(), &script))), long);
        let path = |length: usize| PathBuf::from(format!("/{}", "p".repeat(length - 1)));
        assert_eq!(shebang(&path(124)).expect("a path").len(), MAX_SHEBANG);
        assert!(
            shebang(&path(125))
                .expect("a path")
                .starts_with(b"#!/bin/sh\n")
        );
    }

    #[test]
    fn e46_r84_a_path_that_cannot_be_written_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        for path in [&b"/a\nb"[..], b"/a\rb", b"/a\0b", b"/\xff", b"python", b""] {
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            assert!(
                shebang(path).is_err() && rewritten(b"#!python\n", path).is_err(),
                "{path:?}"
            );
            assert!(launcher(path, "m", "a").is_err(), "{path:?}");
            assert!(rewritten(b"#!/bin/sh\n", path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn c25_c30_a_launcher_calls_and_exits_with_the_result() {
        for directory in ["plain", "with space"] {
            let root = tempfile::tempdir().expect("a directory");
            let interpreter = interpreter(root.path(), directory);
            std::fs::create_dir(root.path().join("pkg")).expect("created");
            let module = "import sys\nclass A:\n class b:\n  c = staticmethod(lambda: print(sys.argv))\n\
                          def three(): return 3\ndef words(): return 'no'\n";
            std::fs::write(root.path().join("pkg/mod.py"), module).expect("written");
            let start = |attribute| {
                run(
                    root.path(),
                    &launcher(&interpreter, "pkg.mod", attribute).expect("names and a path"),
                )
            };
            let none = start("A.b.c");
            assert_eq!(none.status.code(), Some(0));
            let script = root.path().join("the script");
            assert_eq!(
                text_of(&none),
                format!("['{}', 'one', 'two words']\n", script.display())
            );
            assert_eq!(start("three").status.code(), Some(3));
            assert_eq!(
                (start("words").status.code(), start("words").stderr),
                (Some(1), b"no\n".to_vec())
            );
        }
    }

    #[test]
    fn r81_only_names_become_source() {
        let python = Path::new("/p");
        for (module, attribute) in [
            ("m", "f;import os#"),
            ("m\nx", "f"),
            ("", "f"),
            ("m", ""),
            ("m", "a..b"),
            ("1m", "f"),
        ] {
            assert!(
                launcher(python, module, attribute).is_err(),
                "{module:?} {attribute:?}"
            );
        }
        assert!(launcher(python, "päckage.m_1", "_f.g2").is_ok());
    }

    #[test]
    fn c18_c19_e47_only_the_placeholder_is_replaced() {
        let python = Path::new("/env/bin/python");
        for first in [
            "#!python",
            "#!python3",
            "#!python -E",
            "#!pythonw",
            "#!python\r",
        ] {
            let script = rewritten(format!("{first}\na\r\nb").as_bytes(), python);
            assert_eq!(
                script,
                Ok(b"#!/env/bin/python\na\r\nb".to_vec()),
                "{first:?}"
            );
        }
        for content in [
            "#!/usr/bin/env python\n",
            "#!/path/python\n",
            "#! python\n",
            "\u{feff}#!python\n",
            "\x7fELF",
        ] {
            assert!(!wants_rewrite(content.as_bytes()));
            assert_eq!(
                rewritten(content.as_bytes(), python),
                Ok(content.as_bytes().to_vec()),
                "{content:?}"
            );
        }
    }

    #[test]
    fn e50_r85_short_and_unfinished_scripts_are_safe() {
        let python = Path::new("/p");
        for content in ["", "#", "#!", "#!pytho", "\n"] {
            assert_eq!(
                rewritten(content.as_bytes(), python),
                Ok(content.as_bytes().to_vec())
            );
        }
        assert_eq!(rewritten(b"#!python", python), Ok(b"#!/p\n".to_vec()));
        assert_eq!(rewritten(b"#!python\n\n", python), Ok(b"#!/p\n\n".to_vec()));
    }

    #[test]
    fn e48_the_encoding_stays_in_force() {
        let latin = b"print(ascii('\xe9'))\n";
        let declared: [&[u8]; 4] = [
            b"#!python\n# -*- coding: latin-1 -*-\n",
            b"#!python\r\n\x0c # vim: set fileencoding=iso-8859-15 :\r\n",
            b"#!python -*- coding: latin-1 -*-\n",
            b"#!python\n# coding:latin-1\n__doc__\n",
        ];
        for directory in ["plain", "with space", "\u{e9} \u{6f22}"] {
            let root = tempfile::tempdir().expect("a directory");
            let interpreter = interpreter(root.path(), directory);
            for head in declared {
                let script = rewritten(&[head, latin].concat(), &interpreter).expect("a path");
                assert_eq!(
                    text_of(&run(root.path(), &script)),
                    "'\\xe9'\n",
                    "{directory}"
                );
            }
        }
    }

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
        let interpreters = "python Python PYTHON.EXE python3 python3.11 python3.13t python3.12d.exe pythonw \
                            pythonw.exe pythonw3.11 python_d.exe pypy pypy3 pypy3.11 graalpy python.exe.";
        for name in interpreters.split_whitespace() {
            assert_eq!(is_protected_name(name), Some("the interpreter"), "{name}");
        }
        for name in [
            "activate",
            "Activate.ps1",
            "activate.FISH",
            "activate_this.py",
            "deactivate.bat",
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
