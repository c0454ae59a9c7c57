//! Environments with installed projects, and one command that is about to change them.
//!
//! A [`Life`] runs its command in this process, through any [`Fs`] that a test passes, and can be
//! reset to its beginning. Its wheels are tiny and together have everything that an installation
//! can have: modules and packages that replace each other, namespaces with several owners, scripts,
//! entry points, data files, `.pth` files.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, LinkMode, Options, StoreUse};
use pkg_install::environment::{Environment, Locate};
use pkg_install::error::Result;
use pkg_install::fs::Fs;
use pkg_install::outcome::Silent;
use pkg_install::source::Source;

use crate::support::faults::Fuse;
use crate::support::scene::{Scene, site_packages};
use crate::support::tree_image::Image;
use crate::support::wheel_builder::Wheel;

/// The command that is tried.
#[derive(Debug, Clone)]
pub enum Attempt {
    Install(Vec<PathBuf>),
    Uninstall(Vec<String>),
    Undo,
    /// Undo everything after the transaction of this number.
    UndoTo(u64),
}

/// An environment and a command.
pub struct Life {
    pub name: &'static str,
    pub root: PathBuf,
    pub attempt: Attempt,
    pub options: Options,
    pub before: Image,
    /// The state after the command, as far as others see it.
    pub after: Image,
    locate: Locate,
    scene: Scene,
}

impl Life {
    /// Everything is new in an empty environment.
    pub fn fresh() -> Self {
        Self::begin("fresh", |scene| {
            vec![
                scene.wheel(&demo_one()),
                scene.wheel(&other()),
                scene.wheel(&third()),
            ]
        })
    }

    /// New things go among those of others.
    pub fn into_shared() -> Self {
        let mut life = Self::begin("into shared", |scene| {
            vec![scene.wheel(&other()), scene.wheel(&third())]
        });
        life.settle();
        life.then_install(&[demo_one(), fourth()])
    }

    /// Another version takes the place of one whose neighbours stay.
    pub fn replace() -> Self {
        let mut life = Self::begin("replace", |scene| {
            vec![scene.wheel(&demo_one()), scene.wheel(&other())]
        });
        life.settle();
        life.then_install(&[demo_two()])
    }

    /// One project goes and its neighbour stays.
    pub fn uninstall() -> Self {
        let mut life = Self::begin("uninstall", |scene| {
            vec![scene.wheel(&demo_one()), scene.wheel(&other())]
        });
        life.settle();
        life.then(Attempt::Uninstall(vec!["demo".to_owned()]))
    }

    /// The smallest replacement that still has a directory, a file and a namespace with another
    /// owner.
    pub fn small_replace() -> Self {
        let mut life = Self::begin("small replace", |scene| {
            let old = Wheel::new("demo", "1.0")
                .file("demo.py", "old")
                .file("ns/demo.py", "old");
            vec![
                scene.wheel(&old),
                scene.wheel(&Wheel::new("other", "1.0").file("ns/other.py", "other")),
            ]
        });
        life.settle();
        let new = Wheel::new("demo", "2.0")
            .file("demo/__init__.py", "new")
            .file("ns/demo.py", "new!");
        life.then_install(&[new])
    }

    /// A directory that is not there yet becomes an environment.
    pub fn new_target() -> Self {
        let mut life = Self::fresh();
        let python = life.root.join("bin/python");
        let root = life
            .root
            .parent()
            .expect("an environment is in a directory")
            .join("made/for/it");
        life.locate = Locate {
            target: Some(root.clone()),
            python: Some(python),
            ..Locate::default()
        };
        life.root = root;
        life.named("new target").look_ahead()
    }

    /// The command is made, with `--undoable`, and what is tried is to take it back.
    pub fn undo_of(mut self, name: &'static str) -> Self {
        self.options.undoable = true;
        self.settle();
        self.options.undoable = false;
        self.attempt = Attempt::Undo;
        self.named(name).look_ahead()
    }

    /// Two commands are made, with `--undoable`, and what is tried is to take both back at once.
    pub fn undo_of_two() -> Self {
        let mut life = Self::begin("undo of two", |scene| vec![scene.wheel(&other())]);
        life.settle();
        life.options.undoable = true;
        life = life.then_install(&[demo_one()]);
        life.settle();
        life = life.then_install(&[demo_two(), third()]);
        life.settle();
        life.options.undoable = false;
        life.then(Attempt::UndoTo(0))
    }

    /// What is tried is to take a replacement back, after interpreters have written bytecode of
    /// both versions.
    pub fn undo_over_bytecode() -> Self {
        let demo = |version: &str| {
            Wheel::new("demo", version)
                .file("demo.py", version)
                .file("ns/demo.py", version)
        };
        let mut life = Self::begin("undo over bytecode", |scene| {
            let other = Wheel::new("other", "1.0").file("ns/other.py", "other");
            vec![scene.wheel(&demo("1.0")), scene.wheel(&other)]
        });
        life.settle();
        life.compile(&["demo", "ns/demo", "ns/other"], "old");
        life.options.undoable = true;
        life = life.then_install(&[demo("2.0")]);
        life.settle();
        life.compile(&["demo", "ns/demo"], "new");
        life.options.undoable = false;
        life.then(Attempt::Undo)
    }

    /// Packages that are links into the store give way to others, one of them to files.
    pub fn replace_links() -> Self {
        let demo = |version: &str| {
            Wheel::new("demo", version)
                .file("demo/__init__.py", version)
                .file("demo/deep/module.py", version)
                .file("ns/demo.py", version)
        };
        let mut life = Self::begin("replace links", |scene| {
            let other = Wheel::new("other", "1.0").file("other/__init__.py", "other");
            vec![scene.wheel(&demo("1.0")), scene.wheel(&other)]
        });
        life.options.link_mode = LinkMode::Symlink;
        life.options.store = StoreUse::Always;
        life.options.download.cache = Some(life.scene.join("cache"));
        life.settle();
        let addition = Wheel::new("addition", "1.0").file("other/addition.py", "");
        let other = Wheel::new("other", "2.0").file("other/__init__.py", "other 2");
        life.then_install(&[demo("2.0"), other, addition])
    }

    /// Writes bytecode of modules as an interpreter does.
    fn compile(&self, modules: &[&str], content: &str) {
        for module in modules {
            let (directory, stem) = module.rsplit_once('/').unwrap_or(("", module));
            let cache = self.library().join(directory).join("__pycache__");
            fs::create_dir_all(&cache).expect("it can be made");
            let file = cache.join(format!("{stem}.cpython-311.pyc"));
            fs::write(file, content).expect("it can be written");
        }
    }

    /// The same with other options.
    pub fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self.look_ahead()
    }

    fn begin(name: &'static str, wheels: impl FnOnce(&Scene) -> Vec<PathBuf>) -> Self {
        let scene = Scene::new();
        let root = scene.venv();
        let wheels = wheels(&scene);
        let life = Self {
            name,
            locate: Locate {
                target: Some(root.clone()),
                ..Locate::default()
            },
            root,
            attempt: Attempt::Install(wheels),
            options: Options {
                jobs: Some(4),
                ..Options::default()
            },
            before: Image::default(),
            after: Image::default(),
            scene,
        };
        life.look_ahead()
    }

    fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Makes the command, for good.
    fn settle(&mut self) {
        self.run(&Fs::default()).expect("the preparation succeeds");
    }

    fn then_install(self, wheels: &[Wheel]) -> Self {
        let paths = wheels.iter().map(|wheel| self.scene.wheel(wheel)).collect();
        self.then(Attempt::Install(paths))
    }

    fn then(mut self, attempt: Attempt) -> Self {
        self.attempt = attempt;
        self.look_ahead()
    }

    /// Determines the state after the command.
    fn look_ahead(mut self) -> Self {
        self.before = Image::of(&self.root);
        let result = self.run(&Fs::default());
        result
            .unwrap_or_else(|error| panic!("{}: the command fails by itself: {error}", self.name));
        self.after = Image::of(&self.root).public();
        self.before.restore(&self.root);
        assert!(
            self.before.public() != self.after,
            "{}: the command changes nothing",
            self.name
        );
        self
    }

    pub fn run(&self, fs: &Fs) -> Result<()> {
        self.run_until(fs, &Cancellation::default())
    }

    /// Runs the command from the beginning with a fault.
    pub fn run_with(&self, fuse: &Arc<Fuse>) -> Result<()> {
        self.reset();
        self.run_until(&fuse.fs(), fuse.cancel())
    }

    pub fn run_until(&self, fs: &Fs, cancel: &Cancellation) -> Result<()> {
        let context = Context {
            fs,
            cancel,
            events: &Silent,
        };
        let options = &self.options;
        let environment = &Environment::locate(&self.locate)?;
        let outcome = match &self.attempt {
            Attempt::Install(wheels) => {
                let sources: Vec<Source> = wheels.iter().map(Source::from_path).collect();
                command::install(environment, &sources.into(), options, context)
            }
            Attempt::Uninstall(names) => command::uninstall(environment, names, options, context),
            Attempt::Undo => command::undo(environment, options, context),
            Attempt::UndoTo(number) => command::undo_to(environment, *number, options, context),
        };
        outcome.map(drop)
    }

    pub fn recover(&self, fs: &Fs) -> Result<()> {
        if !self.root.exists() {
            // The command had not begun to make the environment.
            return Ok(());
        }
        let cancel = Cancellation::default();
        let context = Context {
            fs,
            cancel: &cancel,
            events: &Silent,
        };
        let environment = Environment::locate(&self.locate)?;
        command::recover(&environment, &self.options, context).map(drop)
    }

    /// Puts everything back to the beginning.
    pub fn reset(&self) {
        self.before.restore(&self.root);
    }

    /// A run without a fault.
    pub fn rehearse(&self, fuse: &Arc<Fuse>) {
        self.run_with(fuse)
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        self.reset();
    }

    /// The directory of the modules.
    pub fn library(&self) -> PathBuf {
        let inside = site_packages(&self.root);
        if inside.is_dir() {
            inside
        } else {
            self.root.clone()
        }
    }

    /// Fails unless each visibly installed project has all files of its RECORD.
    #[track_caller]
    pub fn assert_what_is_seen_is_whole(&self, what: &str) {
        let library = self.library();
        let Ok(names) = fs::read_dir(&library) else {
            return;
        };
        for name in names.map(|name| name.expect("the directory can be listed").file_name()) {
            let Ok(record) = fs::read_to_string(library.join(&name).join("RECORD")) else {
                continue;
            };
            let rows = record.lines().filter_map(|row| row.split(',').next());
            let missing: Vec<&str> = rows
                .filter(|path| fs::symlink_metadata(library.join(path)).is_err())
                .collect();
            assert!(
                missing.is_empty(),
                "{}: {what}: {} is seen without {missing:?}",
                self.name,
                name.display()
            );
        }
    }
}

/// Has a module `demo`, a package `flip`, and a bit of everything.
pub fn demo_one() -> Wheel {
    Wheel::new("demo", "1.0")
        .file("demo.py", "one")
        .file("flip/__init__.py", "one")
        .file("flip/gone.py", "one")
        .file("ns/demo/__init__.py", "one")
        .file("ns/both.py", "shared")
        .file("demo.pth", "# one")
        .data("scripts/demo-tool", "#!python\none")
        .data("data/share/demo/one.txt", "one")
        .data("data/share/common/demo.txt", "one")
        .entry_points("[console_scripts]\ndemo = demo:main\ndemo-old = demo:main\n")
}

/// Has a package `demo` and a module `flip` in the place of those of the version before.
pub fn demo_two() -> Wheel {
    Wheel::new("demo", "2.0")
        .file("demo/__init__.py", "two!")
        .file("flip.py", "two!")
        .file("ns/demo/__init__.py", "two!")
        .file("ns/both.py", "shared")
        .file("demo.pth", "# two!")
        .data("scripts/demo-tool", "#!python\ntwo!")
        .data("data/share/demo/two.txt", "two!")
        .data("data/share/common/demo.txt", "two!")
        .entry_points("[console_scripts]\ndemo = demo:main\ndemo-new = demo:main\n")
}

/// Shares a namespace, one of its files and a directory of data with `demo`.
pub fn other() -> Wheel {
    Wheel::new("other", "1.0")
        .file("ns/other.py", "other")
        .file("ns/both.py", "shared")
        .data("data/share/common/other.txt", "other")
        .entry_points("[console_scripts]\nother = ns.other:main\n")
}

fn third() -> Wheel {
    Wheel::new("third", "1.0")
        .file("third/deep/er/module.py", "third")
        .file("third.pth", "# third")
}

fn fourth() -> Wheel {
    Wheel::new("fourth", "1.0")
        .file("third/deep/fourth.py", "fourth")
        .data("scripts/fourth", "#!pythonw\nfourth")
}
