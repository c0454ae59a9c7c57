//! Support for the benches: generated wheels, an empty directory to install them into, and the
//! steps in between.
//!
//! The wheels are made by the tests' builder: many small modules, a few large files, scripts, and a
//! namespace that all share. They are the same in every run. Everything is in one temporary
//! directory, in memory if the system offers that, so that the disk's speed does not matter.

#![allow(dead_code, reason = "not every bench needs all of it")]

#[path = "../../tests/it/support/wheel_builder.rs"]
mod wheel_builder;
#[path = "../../tests/it/support/zip_image.rs"]
mod zip_image;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use pkg_install::environment::layout::Layout;
use pkg_install::environment::protected::Protected;
use pkg_install::environment::{self, Environment, Locate, Surroundings};
use pkg_install::fs::Fs;
use pkg_install::installed::facts::{Facts, Gather};
use pkg_install::installed::removal::Removal;
use pkg_install::plan::changes::{self, Offer};
use pkg_install::plan::conflict::OnConflict;
use pkg_install::plan::spread::{Destination, spread};
use pkg_install::plan::{Candidate, Change, ChangeId, WantedFile, Wants};
use pkg_install::source::Source;
use pkg_install::spec::record::Verify;
use pkg_install::threads::Pool;
use pkg_install::wheel::{self, Archives, OpenOptions, Records, Wheel, WheelId};

const MODULES: usize = 120;
const BIG: usize = 2 << 20;

pub const OPEN: OpenOptions = OpenOptions {
    verify: Verify::Normal,
    require_hashes: false,
    records: Records::All,
    complete_record: false,
    fresh_digests: false,
};

/// Generated wheels, and an empty directory to install them into.
pub struct Bench {
    _directory: tempfile::TempDir,
    pub target: PathBuf,
    environment: Environment,
    pub layout: Layout,
    pub pool: Pool,
    pub fs: Fs,
    pub sources: Vec<Source>,
    pub wheels: Vec<Wheel>,
    pub archives: Archives,
}

impl Bench {
    /// Generates and opens `wheels` wheels.
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
        let surroundings = Surroundings::default().with_search(search);
        let locate = Locate::target(target.clone()).with_surroundings(surroundings);
        let environment = environment::locate(&locate).expect("there is a python3 on the PATH");
        let layout = Layout::of(&environment).expect("the directory can be looked at");
        let pool = Pool::new(None).expect("threads can be started");
        let (wheels, archives) =
            wheel::open_all(&pool, &sources, OPEN).expect("the wheels are right");
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
            archives,
        }
    }

    pub fn changes(&self) -> Vec<Change> {
        let wheels = self.wheels.iter().zip(0..);
        let offers: Vec<Offer<'_>> = wheels
            .map(|(wheel, id)| Offer::of_wheel(&wheel.name, &wheel.label, WheelId(id)))
            .collect();
        changes::installs(&offers, &[])
            .expect("each project comes once")
            .changes
    }

    pub fn spread(&self, changes: &[Change]) -> Vec<WantedFile> {
        let destination = Destination {
            layout: &self.layout,
            protected: &Protected::of(&self.layout),
            python: self.environment.python().ok(),
            scripts: self.environment.script_python(),
            installer: "bench",
            verified: true,
            keep_spelling: false,
            windows_names: false,
        };
        let mut files = Vec::new();
        for (change, id) in changes.iter().zip(0..) {
            let number = change.wheel.expect("every change has a wheel");
            let wheel = &self.wheels[number.0 as usize];
            files.extend(
                spread(wheel, number, ChangeId(id), &destination).expect("the wheels are right"),
            );
        }
        files
    }

    pub fn survey(&self, files: Vec<WantedFile>) -> Vec<Candidate> {
        let mut layout = self.layout.clone();
        let protected = Protected::of(&layout);
        let mut gather = Gather::new(&mut layout, &[], protected, &self.pool);
        let look = |file: WantedFile| {
            let site = gather.site(&file.place).expect("it can be looked at");
            assert!(site.live.is_none(), "the directory is empty");
            Candidate::new(file, site)
        };
        files.into_iter().map(look).collect()
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts {
            layout: &self.layout,
            installed: &[],
            removal: Removal::default(),
            records: std::collections::BTreeMap::new(),
            ignores_case: false,
            staying: Vec::new(),
            protected: Protected::of(&self.layout),
        }
    }

    /// The wants of an installation of all wheels.
    pub fn wants(&self) -> Wants {
        let changes = self.changes();
        Wants {
            files: self.survey(self.spread(&changes)),
            changes,
            bytecode: Vec::new(),
            on_conflict: OnConflict::Error,
        }
    }
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

/// Text that compresses about as well as Python code.
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

/// Bytes without a pattern, the same in every run.
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
