//! Entries whose names or kinds could lead elsewhere are refused on every system; what only looks
//! odd is installed.

use crate::support::scene::{Scene, python, site_packages};
use crate::support::verdict::{Case, all_accepted, all_refused, refused};
use crate::support::wheel_builder::{FILE, Wheel};
use crate::support::zip_image::{self, ZipEntry};

fn demo() -> Wheel {
    Wheel::new("demo", "1.0").file("demo/__init__.py", "x = 1\n")
}

/// The wheel with one more entry of this name, in RECORD too.
fn named(name: &str) -> Case {
    Case::new(&format!("{name:?}"), &demo().file(name, "evil = 1\n"))
}

/// The wheel with one more entry whose name are these bytes.
fn raw(title: &str, name: &'static [u8], flags: u16) -> Case {
    let wheel = demo().file("demo/placeholder", "evil = 1\n").tamper_entry(
        "demo/placeholder",
        move |entry| {
            entry.both(|header| (header.name, header.flags) = (name.to_vec(), flags));
        },
    );
    Case::new(title, &wheel)
}

fn of_kind(title: &str, mode: u32) -> Case {
    Case::new(
        title,
        &demo().file_mode("demo/special", "/etc/passwd", mode),
    )
    .says(&["demo/special"])
}

#[test]
fn e01_r39_r40_r41_r42_names_that_lead_elsewhere() {
    all_refused(
        [
            "../evil.py",
            "../../../evil.txt",
            "../site-packages-evil/x.py",
            "demo/../../evil.py",
            "demo/../evil.py",
            "./evil.py",
            "demo/./evil.py",
            "demo//evil.py",
            "demo/.",
            "demo/..",
            "..",
            ".",
            "/evil.py",
            "//server/share/evil.py",
        ]
        .map(|name| named(name).says(&[name, "unsafe"])),
    );
    all_refused(
        [raw("no name", b"", 0), raw("only a slash", b"/", 0)].map(|case| case.says(&["unsafe"])),
    );
}

#[test]
fn e01_e02_r43_r44_r45_names_that_lead_elsewhere_on_windows() {
    all_refused(
        [
            "aa\\..\\..\\evil.py",
            "C:/evil.py",
            "C:evil.py",
            "\\\\server\\share",
            "\\\\?\\evil",
        ]
        .map(|name| named(name).says(&["unsafe"])),
    );
}

#[test]
fn e03_r30_r58_names_that_a_terminal_would_obey() {
    all_refused([
        named("demo/a\0b.py").says(&["unsafe", "control"]),
        named("demo/a\nb.py").says(&["unsafe", "\\n"]),
        named("demo/a\rb.py").says(&["unsafe"]),
        named("demo/\u{1b}[2Jb.py").says(&["unsafe", "\\u{1b}[2Jb.py"]),
        named("demo/a\u{7f}.py").says(&["unsafe"]),
        named("demo/\u{202e}yp.exe").says(&["unsafe", "\\u{202e}"]),
        named("demo/a\u{200b}.py").says(&["unsafe"]),
        named("\u{feff}demo/a.py").says(&["unsafe"]),
        named("demo/a\u{200d}b.py").says(&["unsafe", "\\u{200d}"]),
        named("demo/a\u{e000}b.py").says(&["unsafe", "\\u{e000}"]),
        named("demo/a\u{ffff}b.py").says(&["unsafe", "\\u{ffff}"]),
        named("demo/a\u{2066}b.py").says(&["unsafe", "\\u{2066}"]),
    ]);
}

#[test]
fn c14_r28_r29_names_that_are_not_utf8() {
    all_refused([
        raw("cp437 and not said to be UTF-8", b"demo/gr\x81n.py", 0).says(&["not UTF-8"]),
        raw("UTF-8 and not said to be", "demo/grün.py".as_bytes(), 0).says(&["not UTF-8"]),
        raw("said to be and not", b"demo/gr\xfcn.py", zip_image::UTF8).says(&["not UTF-8"]),
        raw("overlong", b"demo/a\xc0\xafb.py", zip_image::UTF8).says(&["not UTF-8"]),
    ]);
    all_accepted([Case::new(
        "UTF-8 and said to be",
        &demo().file("demo/grün 漢字.py", "x = 2\n"),
    )]);
}

#[test]
fn r35_names_that_no_file_system_takes() {
    let deep = format!("demo/{}x.py", "d/".repeat(10_000));
    let long = format!("demo/{}.py", "x".repeat(300));
    let huge = format!("demo/{}x.py", "dddddddd/".repeat(7_000));
    all_refused([named(&deep), named(&long), named(&huge)].map(|case| case.says(&["unsafe"])));
}

#[test]
fn r46_names_that_windows_reserves_are_files_here() {
    let names = [
        "demo/aux.py",
        "demo/nul.txt",
        "demo/COM1",
        "demo/with space ",
        "demo/dot.",
    ];
    all_accepted(names.map(|name| named(name).says(&["warning", name, "Windows"])));
}

#[test]
fn r48_case_makes_two_files_where_the_system_tells_them_apart() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(
        &demo()
            .file("demo/Mod.py", "x = 'Mod'\n")
            .file("demo/mod.py", "x = 'mod'\n"),
    );
    scene.install(&venv, &[wheel]).assert_code(0);
    assert_eq!(
        python(
            &venv,
            "import demo.Mod, demo.mod\nprint(demo.Mod.x, demo.mod.x)"
        ),
        "Mod mod\n"
    );
}

#[test]
fn e24_r51_a_file_and_a_directory_at_once() {
    all_refused([
        Case::new(
            "a file in a file",
            &demo().file("x", "1\n").file("x/y.py", "2\n"),
        )
        .says(&["`x`", "at once"]),
        Case::new(
            "the other order",
            &demo().file("x/y.py", "2\n").file("x", "1\n"),
        )
        .says(&["`x`", "at once"]),
        Case::new(
            "a file and a directory entry",
            &demo().file("x", "1\n").directory("x"),
        )
        .says(&["x"]),
        Case::new(
            "further up",
            &demo().file("x/y", "1\n").file("x/y/z/w.py", "2\n"),
        )
        .says(&["`x/y`", "at once"]),
    ]);
}

#[test]
fn e16_r53_r54_entries_that_are_neither_file_nor_directory() {
    all_refused([
        Case::new(
            "a link within",
            &demo().symlink("demo/link.py", "__init__.py"),
        )
        .says(&["link.py", "symbolic link"]),
        Case::new(
            "a link outside",
            &demo().symlink("demo/link", "/etc/passwd"),
        )
        .says(&["demo/link", "symbolic link"]),
        Case::new(
            "a link among the scripts",
            &demo().symlink("{data}/scripts/tool", "x"),
        )
        .says(&["symbolic link"]),
        of_kind("a pipe", 0o010_644).says(&["a pipe"]),
        of_kind("a character device", 0o020_644).says(&["a device"]),
        of_kind("a block device", 0o060_644).says(&["a device"]),
        of_kind("a socket", 0o140_644).says(&["a socket"]),
        of_kind("something unknown", 0o170_644),
        of_kind("a directory by its mode", 0o040_755).says(&["a directory by its mode"]),
    ]);
}

#[test]
fn e12_r31_directory_entries() {
    let hidden = |title: &str, change: fn(&mut ZipEntry)| {
        Case::new(
            title,
            &demo()
                .directory("demo/sub")
                .tamper_entry("demo/sub/", change),
        )
        .says(&["demo/sub/"])
    };
    all_refused([
        hidden("with content", |entry| {
            *entry = ZipEntry::new("demo/sub/", b"evil", 0o040_755, zip_image::STORED);
        }),
        hidden("with deflated content", |entry| {
            *entry = ZipEntry::new("demo/sub/", b"evil", 0o040_755, zip_image::DEFLATE);
        }),
        hidden("with content that is said to be empty", |entry| {
            entry.body = b"hidden payload".to_vec();
            entry.both(|header| header.csize = 14);
        }),
        hidden(
            "with garbage that is said to be deflated and empty",
            |entry| {
                entry.body = b"hidden payload".to_vec();
                entry.both(|header| (header.csize, header.method) = (14, zip_image::DEFLATE));
            },
        ),
        hidden("with the mode of a file", |entry| {
            entry.listing.external = 0o100_644 << 16;
        }),
    ]);
    let empty = ZipEntry::new("demo/sub/", b"", 0o040_755, zip_image::DEFLATE);
    all_accepted([
        Case::new("plain", &demo().directory("demo").directory("demo/sub")),
        Case::new(
            "deflated",
            &demo()
                .directory("demo/sub")
                .tamper_entry("demo/sub/", move |entry| *entry = empty.clone()),
        ),
        Case::new(
            "with the attribute of DOS alone",
            &demo()
                .directory("demo/sub")
                .tamper_entry("demo/sub/", |entry| {
                    (entry.listing.external, entry.listing.version_made_by) = (0x10, 20);
                }),
        ),
    ]);
}

#[test]
fn e12_empty_directories_are_not_made() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(
        &demo()
            .directory("demo/empty")
            .directory("{dist-info}/empty")
            .directory("other"),
    );
    scene.install(&venv, &[wheel]).assert_code(0);
    let library = site_packages(&venv);
    for absent in ["demo/empty", "demo-1.0.dist-info/empty", "other"] {
        assert!(!library.join(absent).exists(), "{absent}");
    }
}

#[test]
fn r59_the_state_of_this_tool_is_no_place_for_a_file() {
    all_refused(
        [
            ".pkg-install/journal",
            ".pkg-install/stage/x",
            "demo/.pkg-install/x",
            "{data}/data/.lock",
            "{data}/data/pyvenv.cfg",
        ]
        .map(|path| Case::new(path, &demo().file(path, "x")).says(&["would overwrite"])),
    );
    let scene = Scene::new();
    let target = scene.join("app");
    std::fs::create_dir(&target).expect("a directory can be made");
    for path in [".lock", ".pkg-install/journal"] {
        let wheel = scene.wheel(&demo().file(path, "x"));
        refused(
            &scene,
            &target,
            &[&wheel.display().to_string()],
            3,
            &[path, "would overwrite"],
        );
    }
}

#[test]
fn e40_r60_bytecode_in_a_wheel_is_a_file_like_others() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&demo().file("demo/__pycache__/old.cpython-27.pyc", "bytes"));
    scene.install(&venv, &[wheel]).assert_code(0);
    assert!(
        site_packages(&venv)
            .join("demo/__pycache__/old.cpython-27.pyc")
            .is_file()
    );
}

#[test]
fn e17_e20_r55_r56_modes_and_times_that_mean_nothing() {
    let odd = |title: &str, change: fn(&mut ZipEntry)| {
        Case::new(
            title,
            &demo()
                .file_mode("demo/x.py", "x = 1\n", FILE)
                .tamper_entry("demo/x.py", change),
        )
    };
    all_accepted([
        odd("no attributes", |entry| entry.listing.external = 0),
        odd("made on DOS", |entry| {
            (entry.listing.version_made_by, entry.listing.external) = (20, 0x20);
        }),
        odd("mode 0", |entry| entry.listing.external = 0o100_000 << 16),
        odd("setuid and for everybody", |entry| {
            entry.listing.external = 0o106_777 << 16;
        }),
        odd("no time", |entry| {
            entry.both(|header| (header.time, header.date) = (0, 0));
        }),
        odd("an impossible time", |entry| {
            entry.both(|header| (header.time, header.date) = (0xffff, 0xffff));
        }),
    ]);
}
