//! Lock files on the command line: which packages of one are chosen, by extras, groups and
//! markers, and how a lock file is recognised.

use crate::resolved_cli::{Shop, wheel};
use crate::support::scene::{Run, assert_unchanged, tree};
use std::fs::{self};

#[test]
fn c68_extras_and_groups_choose_from_a_lock_file() {
    let head =
        "extras = ['Socks', 'idn']\ndependency-groups = ['dev', 'docs']\ndefault-groups = ['dev']";
    for (options, expected) in [
        (&[][..], &["always", "dev"][..]),
        (&["--no-default-groups"], &["always"]),
        (&["--extra", "socks"], &["always", "dev", "socks"]),
        (
            &["--extra", "SOCKS", "--extra", "idn", "--no-default-groups"],
            &["always", "both", "socks"],
        ),
        (&["--group", "Docs"], &["always", "dev", "docs"]),
        (
            &["--group", "docs", "--no-default-groups"],
            &["always", "docs"],
        ),
        (
            &["--group", "dev", "--no-default-groups"],
            &["always", "dev"],
        ),
    ] {
        let shop = Shop::new(&["always", "socks", "both", "dev", "docs", "windows"]);
        let packages = [
            shop.package("always", "sys_platform != 'win32'"),
            shop.package("socks", "'socks' in extras"),
            shop.package("both", "'socks' in extras and 'idn' in extras"),
            shop.package("dev", "'dev' in dependency_groups"),
            shop.package("docs", "'docs' in dependency_groups"),
            shop.package(
                "windows",
                "sys_platform == 'win32' and 'dev' in dependency_groups",
            ),
        ];
        let lock = shop.lock("pylock.toml", head, &packages);
        shop.install(&[&["--lock", &lock], options].concat())
            .assert_code(0);
        assert_eq!(shop.installed(), expected, "{options:?}");
        shop.refuses(
            &["--lock", &lock, "--extra", "x", "--group", "y"],
            &["extra `x`", "dependency group `y`"],
        );
    }
}

#[test]
fn c68_options_that_choose_from_a_lock_file_need_one() {
    let shop = Shop::new(&["a"]);
    for option in [
        &["--extra", "x"][..],
        &["--group", "x"],
        &["--no-default-groups"],
    ] {
        let words = format!(
            "`{}` chooses from a lock file, and needs `--lock`",
            option[0]
        );
        let before = tree(&shop.scene.join("venv"));
        shop.install(&[&[wheel("a").as_str()][..], option].concat())
            .assert_code(2)
            .assert_stderr(&words);
        shop.scene
            .run(&[&["download", &wheel("a")][..], option].concat())
            .assert_code(2)
            .assert_stderr(&words);
        assert_unchanged(&before, &tree(&shop.scene.join("venv")));
    }
    // A variable may be set for every command, or to nothing.
    let lock = shop.lock("pylock.toml", "", &[shop.package("a", "")]);
    for (value, arguments) in [("x", &[wheel("a").as_str()][..]), ("", &["--lock", &lock])] {
        let mut command = shop.scene.command();
        Run::of(
            command
                .args(arguments)
                .args(["--target", "venv"])
                .env("PKG_INSTALL_EXTRA", value),
        )
        .assert_code(0);
    }
}

#[test]
fn c65_c66_lock_files_are_known_by_name_and_version() {
    let shop = Shop::new(&["a"]);
    let packages = [shop.package("a", "")];
    for name in ["lock.toml", "pylock.a.b.toml"] {
        shop.lock(name, "", &packages);
        let words = format!("`{name}` is not a lock file's name");
        shop.refuses(
            &["--lock", name],
            &[&words, "hint: `--lock -` reads one without a name"],
        );
    }
    shop.lock("uv.lock", "", &packages);
    shop.refuses(&["--lock", "uv.lock"], &["uv export --format pylock.toml"]);
    let text = fs::read_to_string(shop.scene.join("lock.toml")).unwrap();
    shop.scene.write(
        "pylock.toml",
        text.replace("'1.0'\ncreated", "'2.0'\ncreated"),
    );
    shop.refuses(
        &["--lock", "pylock.toml"],
        &["its `lock-version` is `2.0`, only `1.x` is supported"],
    );
    shop.lock(
        "pylock.toml",
        "requires-python = '<3'\nenvironments = [\"sys_platform == 'win32'\"]",
        &packages,
    );
    shop.refuses(
        &["--lock", "pylock.toml"],
        &["<3", "sys_platform == 'win32'"],
    );

    shop.scene.write(
        "pylock.new.toml",
        text.replace("'1.0'\ncreated", "'1.1'\nnews = 1\ncreated"),
    );
    let run = shop.install(&["--lock", "pylock.new.toml"]);
    run.assert_code(0)
        .assert_stderr("the unknown key `news` is ignored; the lock file has version 1.1");
    assert_eq!(shop.installed(), ["a"]);
}
