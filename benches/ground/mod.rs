//! What the benches work on: generated wheels, an empty directory to install them to, and the steps
//! between.
//!
//! The wheels are made by the tests' own builder: many small modules, a few big files, scripts, and
//! a namespace that all share. They are the same at every run. Everything lies in one temporary
//! directory, in memory where the system offers that, so that the disk is not what is measured.

#![allow(dead_code, reason = "not every bench needs all of it")]

#[path = "../../tests/it/wheel_builder.rs"]
mod wheel_builder;
#[path = "../../tests/it/zip_image.rs"]
mod zip_image;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pkg_install::environment::layout::Layout;
use pkg_install::environment::{self, Environment, Locate};
use pkg_install::fs::Fs;
use pkg_install::installed::survey::{Fact, Survey};
use pkg_install::plan::conflict::{Blocked, OnConflict, Rules, Wanted};
use pkg_install::plan::spread::{Ground, spread};
use pkg_install::plan::{Change, ChangeId, NewFile, changes as project_changes};
use pkg_install::source::Source;
use pkg_install::spec::record::Verify;
use pkg_install::threads::Pool;
use pkg_install::wheel::{self, OpenOptions, Records, Wheel};

const MODULES: usize = 120;
const BIG: usize = 2 << 20;

pub const OPEN: OpenOptions = OpenOptions {
    verify: Verify::Normal,
    require_hashes: false,
    direct_url: false,
    records: Records::All,
};

/// Generated wheels, and an empty directory to install them to.
pub struct Bench {
    _directory: tempfile::TempDir,
    pub target: PathBuf,
    environment: Environment,
    pub layout: Layout,
    pub pool: Pool,
    pub fs: Fs,
    pub sources: Vec<Source>,
    pub wheels: Vec<Wheel>,
}

impl Bench {
    /// The first so many of the wheels, opened.
    pub fn new(wheels: usize) -> Self {
        let memory = Path::new("/dev/shm");
        let builder = tempfile::Builder::new();
        let directory = if memory.is_dir() {
            builder.tempdir_in(memory)
        } else {
            builder.tempdir()
        };
        let directory = directory.expect("a temporary directory can be made");
        let target = directory.path().join("target");
        fs::create_dir(&target).expect("a directory can be made");
        let paths = (0..wheels).map(|number| make_wheel(number, &directory.path().join("wheels")));
        let sources: Vec<Source> = paths.map(Source::from_path).collect();
        let search = std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default();
        let locate = Locate {
            target: Some(target.clone()),
            python: None,
            prefix: None,
            root: None,
            break_system_packages: false,
            virtual_env: None,
            directory: directory.path().to_owned(),
            search,
        };
        let environment = environment::locate(&locate).expect("there is a python3 on the PATH");
        let layout = Layout::of(&environment).expect("the directory can be looked at");
        let pool = Pool::new(None).expect("threads can be started");
        let wheels = wheel::open_all(&pool, &sources, OPEN).expect("the wheels are right");
        let fs = Fs::default();
        Self {
            _directory: directory,
            target,
            environment,
            layout,
            pool,
            fs,
            sources,
            wheels,
        }
    }

    pub fn changes(&self) -> Vec<Change> {
        project_changes::installs(&self.wheels, &[], false, &mut Vec::new())
            .expect("each project comes once")
    }

    pub fn spread(&self, changes: &[Change]) -> Vec<NewFile> {
        let ground = Ground {
            layout: &self.layout,
            python: &self.environment.python,
            installer: "bench",
            verified: true,
            windows_names: false,
        };
        let mut files = Vec::new();
        for (change, id) in changes.iter().zip(0..) {
            let number = change.wheel.expect("every change has a wheel");
            let wheel = &self.wheels[number.0 as usize];
            files.extend(
                spread(wheel, number, ChangeId(id), &ground).expect("the wheels are right"),
            );
        }
        files
    }

    pub fn survey(&self, files: Vec<NewFile>) -> Vec<Wanted> {
        let mut layout = self.layout.clone();
        let mut survey = Survey::new(&mut layout);
        let mut look = |mut file: NewFile| {
            let Fact {
                place,
                anchor,
                live,
                blocked,
            } = survey.look(&file.place).expect("it can be looked at");
            assert!(live.is_none(), "the directory is empty");
            file.place = place;
            Wanted {
                file,
                anchor,
                live: None,
                blocked: blocked.map(|by| {
                    Box::new(Blocked {
                        by,
                        owners: Vec::new(),
                    })
                }),
            }
        };
        files.into_iter().map(&mut look).collect()
    }

    pub fn rules<'a>(&'a self, names: &'a [String]) -> Rules<'a> {
        Rules {
            policy: OnConflict::Error,
            ignores_case: false,
            staying: &[],
            names,
            layout: &self.layout,
        }
    }
}

pub fn names(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| change.name.normalized().to_owned())
        .collect()
}

/// A wheel with many modules of a few KiB, one big file, one script, and a module in a namespace
/// that all wheels share.
fn make_wheel(number: usize, directory: &Path) -> PathBuf {
    let name = format!("bench_{number}");
    let mut wheel = wheel_builder::Wheel::new(&name, "1.0")
        .entry_points(&format!(
            "[console_scripts]\n{name} = {name}.module_0:main\n"
        ))
        .file(&format!("shared/part_{number}.py"), source(number, 10))
        .file(&format!("{name}/data.bin"), noise(BIG >> (number % 8)));
    for module in 0..MODULES {
        let path = format!("{name}/sub_{}/module_{module}.py", module % 12);
        wheel = wheel.file(&path, source(number * MODULES + module, module));
    }
    wheel.write_to(directory)
}

/// Text that compresses about as well as Python does.
fn source(seed: usize, length: usize) -> String {
    let words = noise(4 * length + 4);
    let mut text = format!("\"\"\"Module {seed}.\"\"\"\n");
    for (line, word) in words.chunks(4).enumerate() {
        let _ = writeln!(
            text,
            "def function_{line}(argument):\n    return argument + {:?}\n",
            [seed + line, word[0].into()]
        );
    }
    text
}

/// Bytes without a pattern, always the same.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next)
        .take(length.div_ceil(8))
        .flatten()
        .take(length)
        .collect()
}
