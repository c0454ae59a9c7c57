//! Things that become others while a command runs: directories that turn into links.
//!
//! A [`Swap`] sits at the file system's door and acts just before one change. What it puts in the way leads outside, where
//! nothing may change; and once the true directory is back, the environment is as before the command or as after it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pkg_install::error::{Effect, Result};
use pkg_install::fs::{Door, Mutation, Watch};

use crate::faults::{Fault, Fuse};
use crate::living::Life;
use crate::scene::{site_packages, tree};
use crate::tree_image::Image;

/// Acts once, just before the change of this number.
struct Swap<F> {
    at: usize,
    seen: AtomicUsize,
    act: F,
}

impl<F: Fn() + Send + Sync> Swap<F> {
    fn new(at: usize, act: F) -> Arc<Self> {
        Arc::new(Self { at, seen: AtomicUsize::new(0), act })
    }
}

impl<F: Fn() + Send + Sync> Watch for Swap<F> {
    fn before(&self, _: &Mutation<'_>) -> io::Result<()> {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.at {
            (self.act)();
        }
        Ok(())
    }
}

/// Copies a directory with everything in it.
fn copy(from: &Path, to: &Path) {
    Image::of(from).restore(to);
}

/// Before each change of the command in turn, the directory at `victim` is moved aside and becomes a link to a copy of
/// itself outside, with a private directory of somebody else's in it. Returns at how many points that was tried.
#[track_caller]
fn swap_everywhere(life: &Life, victim: &str) -> usize {
    let whole = Fuse::new(Fault::None);
    life.rehearse(&whole);
    let (directory, beside) = (life.root.join(victim), life.root.parent().expect("it is in a directory"));
    let (outside, aside) = (beside.join("outside"), beside.join("aside"));
    let mut caught = 0;
    for at in 0..whole.seen() {
        life.reset();
        let _ = fs::remove_dir_all(&outside);
        copy(&directory, &outside);
        let foreign = outside.join(site_packages(&life.root).strip_prefix(&directory).unwrap_or(Path::new("")));
        fs::create_dir_all(foreign.join(".pkg-install/trash-theirs")).expect("directories can be made");
        fs::write(foreign.join(".pkg-install/stage-theirs"), "theirs").expect("it can be written");
        let before = tree(&outside);
        let act = {
            let (directory, outside, aside) = (directory.clone(), outside.clone(), aside.clone());
            move || {
                fs::rename(&directory, &aside).expect("it can be moved");
                symlink(&outside, &directory).expect("a link can be made");
            }
        };
        let result = life.run(&Door::watched(Swap::new(at, act)));
        assert!(
            fs::symlink_metadata(&directory).is_ok_and(|found| found.is_symlink()),
            "{victim}: {at}: never swapped"
        );
        assert!(before == tree(&outside), "{victim}: {at}: something outside has changed:\n{result:?}");
        fs::remove_file(&directory).expect("the link can be removed");
        fs::rename(&aside, &directory).expect("it can be moved back");
        caught += usize::from(result.is_err());
        assert_as_before_or_after(life, result, &format!("{victim}: {at} of {}", whole.seen()));
    }
    assert!(caught > 0, "{victim}: never an error");
    whole.seen()
}

/// With the true directory back, recovery leaves the environment as before, or as after the command.
#[track_caller]
fn assert_as_before_or_after(life: &Life, result: Result<()>, what: &str) {
    let said = result.as_ref().err().map(|error| (error.effect(), error.to_string()));
    life.recover(&Door::default()).unwrap_or_else(|error| panic!("{what}: {error}, after {said:?}"));
    let now = Image::of(&life.root).public();
    let (is_before, is_after) = (now == life.before.public(), now == life.after);
    let fine = match &said {
        None => is_after,
        Some((Effect::Unfinished, _)) => is_before || is_after,
        Some(_) => is_before,
    };
    assert!(fine, "{what}: {said:?}\nto before:\n{}", life.before.public().difference(&now));
}

#[test]
fn r96_a_directory_that_becomes_a_link_leads_no_change_outside() {
    let life = Life::small_replace();
    let library = site_packages(&life.root);
    let library = library.strip_prefix(&life.root).expect("it is inside").display().to_string();
    for victim in [&format!("{library}/ns"), &library, "lib"] {
        let points = swap_everywhere(&life, victim);
        assert!(points >= 15, "{victim}: {points}");
    }
}

#[test]
fn r96_nor_does_one_of_scripts_or_data() {
    let life = Life::into_shared();
    for victim in ["bin", "share", "share/common"] {
        let points = swap_everywhere(&life, victim);
        assert!(points >= 30, "{victim}: {points}");
    }
}
