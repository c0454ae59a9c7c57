//! Scripts, run by a real interpreter.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use super::shebang::*;
use super::*;

/// Directory names that a kernel, a shell or Python would each take for something else.
const AWKWARD: &str = r##"plain/with space/it's/''/'''/a'''b ''' c'/$HOME/`id`/$(id)/"quoted"/
back\slash/\x\N{x}\u12\/\' \'''/100% %s %%/é ü 漢/encoding=x/a;b|c&d>e*?[f]!g#h~"##;

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
        let mut scripts = vec![[shebang(&interpreter).expect("a path"), BODY.to_vec()].concat()];
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
        let module = "import sys\n\
                      class A:\n class b:\n  c = staticmethod(lambda: print(sys.argv))\n\
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
