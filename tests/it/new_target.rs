//! A target that has to be created: the command also creates its parent directories, and removes
//! them if it fails.

use pkg_install::fs::Fs;

use crate::support::faults::{ENOSPC, Fault, Fuse};
use crate::support::living::Life;
use crate::support::scene::Scene;
use crate::support::tree_image::Image;
use crate::support::wheel_builder::Wheel;

#[test]
fn r126_a_failure_leaves_none_of_the_directories_made_above_a_new_target() {
    let life = Life::new_target();
    let above = life.root.ancestors().nth(3).expect("it lies deep enough");
    let whole = Fuse::new(Fault::None);
    life.rehearse(&whole);
    let outermost = above.join("made");
    std::fs::remove_dir_all(&outermost).expect("what the rehearsals made can be removed");
    let before = Image::of(above);
    assert!(!before.nodes.keys().any(|path| path.starts_with("made")));
    let mut failed = 0;
    for at in 0..whole.seen() {
        let fuse = Fuse::new(Fault::Error(at, ENOSPC));
        let result = life.run_with(&fuse);
        if result.is_err() {
            let now = Image::of(above);
            assert!(
                now == before,
                "{at}: {:?}\n{}",
                fuse.refused(),
                before.difference(&now)
            );
            failed += 1;
        } else {
            life.recover(&Fs::default())
                .unwrap_or_else(|error| panic!("{at}: {error}"));
            std::fs::remove_dir_all(&outermost).expect("it can be removed");
        }
    }
    assert!(failed >= 60, "{failed}");
}

#[test]
fn a_new_directory_may_be_named_from_where_one_stands() {
    let scene = Scene::new();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0"));
    for dest in ["here", "a/b", "./c", "here"] {
        scene
            .run(&["download", "--dest", dest, &wheel.display().to_string()])
            .assert_code(0);
        assert!(
            scene.join(dest).join("demo-1.0-py3-none-any.whl").is_file(),
            "{dest}"
        );
    }
    let other = scene.join("other");
    std::fs::create_dir(&other).expect("it can be made");
    std::fs::write(other.join("demo-1.0-py3-none-any.whl"), "another one")
        .expect("it can be written");
    let paths = [
        wheel.display().to_string(),
        other
            .join("demo-1.0-py3-none-any.whl")
            .display()
            .to_string(),
    ];
    let run = scene.run(&["download", "--dest", "both", &paths[0], &paths[1]]);
    run.assert_code(2)
        .assert_stderr("have the file name `demo-1.0-py3-none-any.whl`");
    scene
        .run(&["download", "--dest", "both", &paths[0], &paths[0]])
        .assert_code(0);
}
