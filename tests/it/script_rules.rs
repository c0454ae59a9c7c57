//! Scripts of wheels: launchers of entry points and files of `.data/scripts`, run wherever the
//! environment stands.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::scene::{Run, Scene, python};
use crate::support::verdict::{Case, Rows, all_accepted, all_refused};
use crate::support::wheel_builder::Wheel;

const MAIN: &str = "import sys\n\
    def none(): pass\n\
    def three(): return 3\n\
    def text(): return 'wrong'\n\
    def raises(): raise SystemExit(9)\n\
    def where(): print(sys.prefix, *sys.argv[1:])\n\
    class a:\n    class b:\n        @staticmethod\n        def c(): print('dotted')\n";

fn demo() -> Wheel {
    Wheel::new("demo", "1.0").file("demo/__init__.py", MAIN)
}

fn with_points(text: &str) -> Wheel {
    demo().entry_points(text)
}

fn run(script: &Path, arguments: &[&str]) -> Run {
    Run::of(
        Command::new(script)
            .args(arguments)
            .env_remove("PYTHONPATH")
            .current_dir("/"),
    )
}

/// The name of a directory in which an environment is made, and scripts are to run.
fn awkward() -> Vec<String> {
    let long = format!("{}/{}", "d".repeat(120), "e".repeat(100));
    let names = [
        "plain",
        "with space",
        "it's",
        "$HOME `id` \"q\"",
        "grün 漢",
        "100% #!x",
    ];
    names
        .iter()
        .map(|&name| name.to_owned())
        .chain([long])
        .collect()
}

#[test]
fn c25_c30_entry_points_return_what_their_functions_do() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = with_points(
        "[console_scripts]\nnone = demo:none\nthree = demo:three\ntext = demo:text\n\
         raises = demo:raises\ndotted = demo:a.b.c\n[gui_scripts]\ngui = demo:three\n\
         [other.group]\nplugin = demo\n",
    );
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    for (name, code) in [
        ("none", 0),
        ("three", 3),
        ("text", 1),
        ("raises", 9),
        ("dotted", 0),
        ("gui", 3),
    ] {
        run(&venv.join("bin").join(name), &[]).assert_code(code);
    }
    assert_eq!(run(&venv.join("bin/dotted"), &[]).stdout, "dotted\n");
    assert!(!venv.join("bin/plugin").exists());
}

#[test]
fn c34_e43_e44_e45_r84_scripts_run_wherever_the_environment_is() {
    let wheel = with_points("[console_scripts]\nwhere = demo:where\n")
        .data(
            "scripts/tool",
            "#!python\nimport sys\nprint(sys.prefix, *sys.argv[1:])\n",
        )
        .data(
            "scripts/flags",
            "#!python -E\nimport sys\nprint(sys.prefix, *sys.argv[1:])\n",
        );
    for name in awkward() {
        let scene = Scene::new();
        let venv = scene.venv_at(&format!("{name}/venv"));
        scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
        for script in ["where", "tool", "flags"] {
            let said = run(&venv.join("bin").join(script), &["a b", "$c"]);
            said.assert_code(0);
            assert_eq!(
                said.stdout,
                format!("{} a b $c\n", venv.display()),
                "{script}"
            );
        }
        assert_eq!(
            Rows::of(&venv, "demo-1.0.dist-info").lies(),
            [""; 0],
            "{name}"
        );
    }
}

#[test]
fn c18_c19_c20_e47_e49_e50_r85_only_python_lines_are_rewritten() {
    let untouched: &[(&str, &[u8])] = &[
        ("env", b"#!/usr/bin/env python\nprint(1)\n"),
        ("absolute", b"#!/usr/bin/python3\nprint(1)\n"),
        ("shell", b"#!/bin/sh\nexit 0\n"),
        ("spaced", b"#! python\nprint(1)\n"),
        ("upper", b"#!PYTHON\nprint(1)\n"),
        ("late", b"\n#!python\n"),
        ("short", b"#!py"),
        ("empty", b""),
        ("binary", b"\x7fELF\x02\x01\x01\x00#!python\n\xff\xfe"),
    ];
    let rewritten: &[(&str, &[u8], &[u8])] = &[
        ("plain", b"#!python\nprint('a')\n", b"print('a')\n"),
        ("versioned", b"#!python3\nprint('b')\n", b"print('b')\n"),
        ("windowed", b"#!pythonw\nprint('c')\n", b"print('c')\n"),
        ("crlf", b"#!python\r\nprint('d')\r\n", b"print('d')\r\n"),
        (
            "bytes",
            b"#!python\n# -*- coding: latin-1 -*-\nx = '\xfc'\n",
            b"# -*- coding: latin-1 -*-\nx = '\xfc'\n",
        ),
        ("alone", b"#!python", b""),
    ];
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = untouched.iter().fold(demo(), |wheel, (name, content)| {
        wheel.data(&format!("scripts/{name}"), content)
    });
    let wheel = rewritten.iter().fold(wheel, |wheel, (name, content, _)| {
        wheel.data(&format!("scripts/{name}"), content)
    });
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    for (name, content) in untouched {
        assert_eq!(
            fs::read(venv.join("bin").join(name)).expect("it is there"),
            *content,
            "{name}"
        );
    }
    for (name, _, body) in rewritten {
        let path = venv.join("bin").join(name);
        let content = fs::read(&path).expect("it is there");
        assert!(
            content.starts_with(b"#!/") && content.ends_with(body),
            "{name}: {content:?}"
        );
        run(&path, &[]).assert_code(0);
    }
    run(&venv.join("bin/shell"), &[]).assert_code(0);
    assert_eq!(Rows::of(&venv, "demo-1.0.dist-info").lies(), [""; 0]);
}

#[test]
fn r85_a_script_whose_first_line_does_not_end_is_not_read_to_its_end() {
    let size = 300 << 20;
    let wheel =
        demo()
            .data("scripts/tool", "#!python")
            .tamper_entry("{data}/scripts/tool", move |entry| {
                entry.both(|header| header.usize = size);
            });
    let off = ["--verify", "off"];
    all_refused([Case::new("300 MiB", &wheel).with(&off).says(&[
        "scripts/tool",
        "314572800",
        "the limit is 67108864",
    ])]);
}

#[test]
fn e48_the_encoding_of_a_script_stays_declared() {
    let scene = Scene::new();
    let venv = scene.venv_at(&format!("with space {}/venv", "x".repeat(150)));
    let script = b"#!python\n# -*- coding: latin-1 -*-\nprint(ascii('\xfc'), __doc__)\n";
    let future = b"#!python\n'''doc'''\nfrom __future__ import annotations\nprint(__doc__)\n";
    let wheel = demo()
        .data("scripts/latin", script)
        .data("scripts/future", future);
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    let said = run(&venv.join("bin/latin"), &[]);
    said.assert_code(0);
    assert_eq!(said.stdout, "'\\xfc' None\n");
    let said = run(&venv.join("bin/future"), &[]);
    said.assert_code(0);
    assert_eq!(said.stdout, "doc\n");
}

#[test]
fn c26_c28_c33_e42_how_entry_points_are_written() {
    let scene = Scene::new();
    let venv = scene.venv();
    let text = "\u{feff}# a comment\n; another\n[console_scripts]\n  \
                spaced  =  demo : three [x , y]\nFoo = demo:none\n\
                foo = demo:three\ngrün = demo:three\ntwice = demo:none\ntwice = demo:three\n\n\
                [x]\n%(y)s = a%b\n";
    scene
        .install(&venv, &[scene.wheel(&with_points(text))])
        .assert_code(0);
    for (name, code) in [
        ("spaced", 3),
        ("Foo", 0),
        ("foo", 3),
        ("grün", 3),
        ("twice", 3),
    ] {
        run(&venv.join("bin").join(name), &[]).assert_code(code);
    }
    all_accepted([
        Case::new("empty", &with_points("")),
        Case::new("no scripts", &with_points("[a]\nb = c\n")),
    ]);
}

#[test]
fn c27_c29_e42_r81_entry_points_that_cannot_become_scripts() {
    let line = |line: &str| Case::new(line, &with_points(&format!("[console_scripts]\n{line}\n")));
    all_refused(
        [
            "tool = demo",
            "tool = demo:",
            "tool = :main",
            "tool = demo:f;import os#",
            "tool = demo;import os:f",
            "tool = demo:f()",
            "tool = de mo:f",
            "tool = demo:1f",
            "tool = demo..x:f",
            "tool = demo:f [x",
            "tool = demo:f\n  import os",
            "tool =",
        ]
        .map(|text| line(text).says(&["tool"])),
    );
    all_refused(
        ["tool: demo:main", "just words", "= demo:f"]
            .map(|text| line(text).says(&["entry_points.txt line 2"])),
    );
    all_refused([
        Case::new("no section", &with_points("tool = demo:f\n")).says(&["entry_points.txt line 1"]),
        Case::new(
            "not UTF-8",
            &demo().dist_info_file("entry_points.txt", b"[console_scripts]\nt\xfc = demo:f\n"),
        )
        .says(&["`entry_points.txt` is not UTF-8"]),
    ]);
}

#[test]
fn c31_r77_names_of_entry_points_that_lead_elsewhere() {
    let name = |name: &str| {
        Case::new(
            name,
            &with_points(&format!("[console_scripts]\n{name} = demo:none\n")),
        )
    };
    all_refused(
        [
            "../x",
            "../../../evil",
            "/abs",
            ".",
            "..",
            "a/../../b",
            "sub/tool",
            "a\\b",
            "C:x",
            "a\u{1b}[2Jb",
            "a\0b",
        ]
        .map(|text| name(text).says(&["entry point", "not a plain file name"])),
    );
}

#[test]
fn e52_e53_r78_r79_r80_files_that_no_wheel_may_overwrite() {
    let words = ["would", "interpreter"];
    let point = |name: &str| {
        let wheel = with_points(&format!("[console_scripts]\n{name} = demo:none\n"));
        Case::new(name, &wheel).says(&[name])
    };
    all_refused(
        [
            "python",
            "Python",
            "python3",
            "python3.11",
            "python3.99",
            "pythonw",
            "python.exe",
        ]
        .map(point),
    );
    all_refused(["activate", "activate.fish", "Activate.ps1"].map(point));
    let data = |path: &str| Case::new(path, &demo().data(path, "#!/bin/sh\n")).says(&words[..1]);
    all_refused(
        [
            "scripts/python3",
            "scripts/Python",
            "scripts/python.exe",
            "scripts/activate",
            "data/bin/python",
        ]
        .map(data),
    );
    all_refused(
        [
            "data/pyvenv.cfg",
            "data/bin/python3.11",
            "data/bin/activate.csh",
        ]
        .map(data),
    );
    all_accepted(
        ["python-config", "ipython", "pythonic", "pip3.99"].map(|name| {
            Case::new(
                name,
                &with_points(&format!("[console_scripts]\n{name} = demo:none\n")),
            )
        }),
    );
}

#[test]
fn c32_r83_an_entry_point_stands_before_a_script_of_its_name() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = with_points("[console_scripts]\ntool = demo:three\n")
        .data("scripts/tool", "#!python\nraise SystemExit(7)\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    run(&venv.join("bin/tool"), &[]).assert_code(3);
    let rows = Rows::of(&venv, "demo-1.0.dist-info");
    let named: Vec<&str> = rows
        .paths()
        .into_iter()
        .filter(|path| path.contains("tool"))
        .collect();
    assert_eq!(named, ["../../../bin/tool"]);
    assert_eq!(rows.lies(), [""; 0]);
}

#[test]
fn e54_r86_a_pth_file_is_installed_and_not_run_by_installing() {
    let scene = Scene::new();
    let venv = scene.venv();
    let mark = scene.join("it-ran");
    let pth = format!(
        "import pathlib; pathlib.Path({:?}).touch()\n",
        mark.display().to_string()
    );
    scene
        .install(&venv, &[scene.wheel(&demo().file("demo.pth", pth))])
        .assert_code(0);
    assert!(!mark.exists());
    python(&venv, "pass");
    assert!(mark.exists());
}

#[test]
fn e55_bin_may_be_a_link_within_the_environment() {
    let scene = Scene::new();
    let venv = scene.venv();
    fs::rename(venv.join("bin"), venv.join("programs")).expect("it can be renamed");
    std::os::unix::fs::symlink("programs", venv.join("bin")).expect("a link can be made");
    let wheel = with_points("[console_scripts]\nwhere = demo:where\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    run(&venv.join("bin/where"), &[]).assert_code(0);
    assert!(venv.join("programs/where").is_file());
    let rows = Rows::of(&venv, "demo-1.0.dist-info");
    assert!(
        rows.rows.contains_key("../../../bin/where"),
        "{:?}",
        rows.paths()
    );
}

#[test]
fn all_rewritten_scripts_of_a_wheel_together_have_a_limit() {
    let mut wheel = Wheel::new("demo", "1.0").file("demo.py", "");
    for number in 0..3 {
        let path = format!("scripts/tool{number}");
        let script = [b"#!python\n", &vec![b'x'; 30 << 20][..]].concat();
        wheel = wheel.data(&path, script);
    }
    all_refused([Case::new("90 MiB", &wheel).says(&["scripts", "the limit is 67108864"])]);
}
