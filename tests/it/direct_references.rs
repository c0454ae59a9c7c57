//! Requirements that only certain wheels meet: `name @ URL` (dependency specifiers, "Direct
//! references"), and those with hashes.

use crate::index_install::IndexScene;
use crate::support::wheel_builder::Wheel;

/// An index with two projects of which one needs the other, and a wheel of that one on disk.
fn index() -> (IndexScene, String) {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &["lib"])]);
    index.put("lib", &[("1.0", &[])]);
    let wheel = Wheel::new("app", "1.0").metadata_line("Requires-Dist: lib");
    let path = index.scene.wheel(&wheel).display().to_string();
    (index, path)
}

#[test]
fn a_name_with_the_place_of_its_wheel_is_installed_with_what_it_needs() {
    let (index, path) = index();
    let url = index.server.url("files/app-1.0-py3-none-any.whl");
    for argument in [
        format!("app @ {url}"),
        format!("app@{url}"),
        format!("app @ {url}#egg=app"),
        format!("App [x] @ {url}"),
        format!("app @ file://{path}"),
        format!("app @ {path}"),
    ] {
        index.install(&[&argument]).assert_code(0);
        assert!(index.has("app-1.0") && index.has("lib-1.0"), "{argument}");
        let names = ["uninstall", "app", "lib", "--target", "venv"];
        index.scene.run(&names).assert_code(0);
    }
}

#[test]
fn the_name_must_be_that_of_the_wheel() {
    let (index, path) = index();
    let url = index.server.url("files/app-1.0-py3-none-any.whl");
    for argument in [format!("lib @ {url}"), format!("lib @ file://{path}")] {
        let run = index.install(&[&argument]);
        run.assert_code(3);
        run.assert_stderr("app-1.0-py3-none-any.whl");
    }
}

#[test]
fn a_wheel_with_another_hash_is_named_with_both() {
    let index = IndexScene::new();
    let file = index.file("app", "1.0", &[]);
    index.put_page("simple", "app", std::slice::from_ref(&file));
    let actual = file["hashes"]["sha256"].as_str().expect("a hash");
    let (other, third) = ("0".repeat(64), "1".repeat(64));
    let one = format!("app==1.0 --hash=sha256:{other}\n");
    let two = format!("app==1.0 --hash=sha256:{other} --hash=sha256:{third}\n");
    for (list, required) in [
        (&one, format!("not sha256:{other}")),
        (&two, "none of the 2 that are required".to_owned()),
    ] {
        index.scene.write("list.txt", list);
        index
            .install(&["-r", "list.txt"])
            .assert_code(7)
            .assert_stderr(&format!(
                "`app-1.0-py3-none-any.whl` has sha256:{actual}, {required}"
            ));
    }
    index.scene.write(
        "list.txt",
        format!("{} --hash=sha256:{actual}\n", two.trim_end()),
    );
    index.install(&["-r", "list.txt"]).assert_code(0);
}
