//! The program's answer to one wheel: refused with a message and nothing changed, or installed and
//! recorded correctly.
//!
//! Input: [`Case`]s, each a wheel, options, and expected words. [`all_refused`] and
//! [`all_accepted`] give each case its own environment and report all failures, not only the first.
//! [`Rows`] reads an installed RECORD.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pkg_install::digest::{Algorithm, Digest};

use crate::support::scene::{Run, Scene, difference, site_packages, tree};
use crate::support::wheel_builder::{Wheel, digest};

/// A wheel, the options to install it with, and the expected words.
pub struct Case {
    title: String,
    name: String,
    bytes: Vec<u8>,
    options: Vec<String>,
    says: Vec<String>,
}

impl Case {
    /// The wheel of the builder, under its own file name.
    pub fn new(title: &str, wheel: &Wheel) -> Self {
        Self::named(title, &wheel.wheel_file_name(), wheel.bytes())
    }

    /// Any bytes under any file name.
    pub fn named(title: &str, name: &str, bytes: Vec<u8>) -> Self {
        Self {
            title: title.to_owned(),
            name: name.to_owned(),
            bytes,
            options: Vec::new(),
            says: Vec::new(),
        }
    }

    /// Options to install with.
    pub fn with(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Words that stderr must have.
    pub fn says(mut self, parts: &[&str]) -> Self {
        self.says.extend(parts.iter().map(|&part| part.to_owned()));
        self
    }

    fn run(&self, scene: &Scene, venv: &Path) -> Run {
        let wheel = scene.write(&format!("wheels/{}", self.name), &self.bytes);
        let mut arguments = self.options.clone();
        arguments.push(wheel.display().to_string());
        scene.install(venv, &arguments)
    }

    fn unsaid(&self, run: &Run, complaints: &mut Vec<String>) {
        let missing = self
            .says
            .iter()
            .filter(|part| !run.stderr.contains(part.as_str()));
        complaints.extend(missing.map(|part| format!("stderr does not say `{part}`")));
    }
}

/// Every case ends with exit code 3, names the wheel, says its words, and leaves the environment as
/// it was.
#[track_caller]
pub fn all_refused(cases: impl IntoIterator<Item = Case>) {
    judge(cases, |case, scene| {
        let venv = scene.venv();
        let before = tree(&venv);
        let run = case.run(scene, &venv);
        let mut complaints = Vec::new();
        if run.code != 3 {
            complaints.push(format!("exit code {} instead of 3", run.code));
        }
        if !run.stderr.contains(&case.name) {
            complaints.push("stderr does not name the wheel".to_owned());
        }
        if !run
            .stderr
            .lines()
            .any(|line| line.starts_with("state: nothing was changed in "))
        {
            complaints.push("stderr has no line about the state".to_owned());
        }
        if case.says.is_empty() {
            complaints.push("the case does not say why it has to be refused".to_owned());
        }
        case.unsaid(&run, &mut complaints);
        let after = tree(&venv);
        if before != after {
            complaints.push(format!(
                "the tree has changed:\n{}",
                difference(&before, &after)
            ));
        }
        (run, complaints)
    });
}

/// Every case is installed and prints its words, or no warning if it has none; RECORD is true,
/// except for digests with `--verify off`.
#[track_caller]
pub fn all_accepted(cases: impl IntoIterator<Item = Case>) {
    judge(cases, |case, scene| {
        let venv = scene.venv();
        let run = case.run(scene, &venv);
        let mut complaints = Vec::new();
        let unchecked = case.options.iter().any(|option| option == "off");
        if run.code == 0 && unchecked {
            // Digests are neither computed nor compared then: RECORD says what the wheel's own
            // said.
        } else if run.code == 0 {
            complaints.extend(
                dist_infos(&site_packages(&venv))
                    .iter()
                    .flat_map(|record| Rows::read(record).lies()),
            );
        } else {
            complaints.push(format!("exit code {} instead of 0", run.code));
        }
        if case.says.is_empty() && run.stderr.contains("warning") {
            complaints.push("stderr warns of something".to_owned());
        }
        case.unsaid(&run, &mut complaints);
        (run, complaints)
    });
}

#[track_caller]
fn judge(
    cases: impl IntoIterator<Item = Case>,
    verdict: impl Fn(&Case, &Scene) -> (Run, Vec<String>),
) {
    let mut wrong = Vec::new();
    for case in cases {
        let (run, complaints) = verdict(&case, &Scene::new());
        if !complaints.is_empty() {
            let said = run.stderr.trim_end();
            wrong.push(format!(
                "* {}: {}\n  it said: {said}",
                case.title,
                complaints.join("\n  ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases went wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Installs, and fails unless the exit code is `code`, each part is said, and the target is as it
/// was. Wrong usage is found before the environment is, so that it need not be named then.
#[track_caller]
pub fn refused(scene: &Scene, target: &Path, arguments: &[&str], code: i32, says: &[&str]) -> Run {
    let before = tree(target);
    let run = scene.install(target, arguments);
    run.assert_code(code);
    // Wrong usage and commands that only read are no reason to fear for the environment.
    let reads = ["check", "list", "owner", "recover", "show", "verify"];
    if code == 2 || arguments.first().is_some_and(|word| reads.contains(word)) {
        assert!(!run.stderr.contains("state:"), "{}", run.stderr);
    } else {
        run.assert_stderr("state: nothing was changed in ");
    }
    for part in says {
        run.assert_stderr(part);
    }
    crate::support::scene::assert_unchanged(&before, &tree(target));
    run
}

/// The dist-info directories in a library directory, sorted.
pub fn dist_infos(library: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(library).expect("the library can be listed");
    let paths = entries.map(|entry| entry.expect("the library can be listed").path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "dist-info")
        })
        .collect();
    found.sort();
    found
}

/// The rows of an installed RECORD: path to digest and size.
pub struct Rows {
    library: PathBuf,
    /// The paths as they are written, each with its digest and size, in the order of their bytes.
    pub rows: BTreeMap<String, (String, String)>,
    /// How many rows there are.
    pub count: usize,
}

impl Rows {
    /// Reads the RECORD in a dist-info directory.
    #[track_caller]
    pub fn read(dist_info: &Path) -> Self {
        let record = dist_info.join("RECORD");
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_path(&record)
            .unwrap_or_else(|error| panic!("cannot read `{}`: {error}", record.display()));
        let rows: Vec<[String; 3]> = reader
            .records()
            .map(|row| row.expect("RECORD is CSV"))
            .map(|row| [0, 1, 2].map(|column| row.get(column).expect("three columns").to_owned()))
            .collect();
        let library = dist_info
            .parent()
            .expect("a dist-info is in a library")
            .to_owned();
        let count = rows.len();
        let rows = rows
            .into_iter()
            .map(|[path, digest, size]| (path, (digest, size)))
            .collect();
        Self {
            library,
            rows,
            count,
        }
    }

    /// The RECORD of a project in an environment, by its dist-info's name.
    #[track_caller]
    pub fn of(venv: &Path, dist_info: &str) -> Self {
        Self::read(&site_packages(venv).join(dist_info))
    }

    /// The paths.
    pub fn paths(&self) -> Vec<&str> {
        self.rows.keys().map(String::as_str).collect()
    }

    /// The differences between RECORD and the disk: a missing file, another digest or size, a
    /// second row.
    pub fn lies(&self) -> Vec<String> {
        let mut lies = Vec::new();
        if self.count != self.rows.len() {
            lies.push("RECORD lists a path twice".to_owned());
        }
        for (path, (stated, size)) in &self.rows {
            let own = path.ends_with(".dist-info/RECORD");
            match fs::read(self.library.join(path)) {
                Err(error) => lies.push(format!("RECORD lists `{path}`: {error}")),
                Ok(_) if own && !(stated.is_empty() && size.is_empty()) => {
                    lies.push("RECORD states a digest of itself".to_owned());
                }
                Ok(content) if !own => {
                    let actual = (digest_like(stated, &content), content.len().to_string());
                    if (stated, size) != (&actual.0, &actual.1) {
                        lies.push(format!(
                            "RECORD states `{stated},{size}` of `{path}`, which is `{}`",
                            actual.0
                        ));
                    }
                }
                Ok(_) => {}
            }
        }
        lies
    }
}

/// The digest of `content` as RECORD writes it, by the algorithm that `stated` names.
fn digest_like(stated: &str, content: &[u8]) -> String {
    // The other algorithms are tested against published digests in the unit tests of the digest
    // module.
    match stated.split('=').next().and_then(Algorithm::from_name) {
        Some(Algorithm::Sha256) | None => digest(content),
        Some(other) => Digest::of(other, content).to_string(),
    }
}
