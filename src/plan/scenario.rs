//! Scenarios for tests of plans: installed projects, stray files and new wheels as plain values.
//!
//! Everything is in one plain directory, `/target`, that does not exist on disk. Contents are short
//! texts. Facts are made up from these values as `installed` would gather them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::conflict::OnConflict;
use super::{Candidate, Change, ChangeId, Content, Plan, Tally, WantedFile, Wants, WheelId, make};
use crate::digest::{Algorithm, Digest};
use crate::environment::Python;
use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::environment::protected::Protected;
use crate::error::Result;
use crate::installed::facts::{Blocked, Facts, Live, LiveContent, LiveFile, Site};
use crate::installed::ownership::PlacedRow;
use crate::installed::removal::{LeavingProject, ListedName, Removal};
use crate::installed::{Form, Installed};
use crate::outcome::Action;
use crate::path::RelPath;
use crate::spec::core_metadata::Metadata;
use crate::spec::name::ProjectName;
use crate::spec::record::RecordRow;
use crate::spec::tags::{Implementation, Platform, Target};
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;
use crate::wheel::{Digests, EntryId, Wheel, WheelEntry};

/// A place below the root `/target`.
pub fn place(path: &str) -> Place {
    Place::for_tests(path)
}

/// An installed project with a RECORD.
pub fn installed_project(name: &str, version: &str) -> Installed {
    Installed {
        name: ProjectName::parse(name).expect("a name"),
        version: version.to_owned(),
        place: place(&format!("{name}-{version}.dist-info")),
        library: SchemeKey::Purelib,
        form: Form::Recorded,
        installer: None,
        is_linked: false,
    }
}

/// A wheel with this file name and these entries, each with the digest of its path.
pub fn wheel(file_name: &str, paths: &[&str]) -> Wheel {
    let mut parts = file_name.splitn(3, '-');
    let (project, version) = (parts.next(), parts.next());
    let stem = format!(
        "{}-{}",
        project.expect("a name"),
        version.expect("a version")
    );
    let metadata = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n";
    let entries = paths.iter().zip(0..).map(|(path, number)| WheelEntry {
        id: EntryId(number),
        path: RelPath::parse(path).expect("plain"),
        size: path.len() as u64,
        crc: number,
        executable: false,
        digest: Some(Digest::of(Algorithm::Sha256, path.as_bytes())),
        script: None,
    });
    Wheel {
        label: file_name.to_owned(),
        name: WheelName::parse(file_name).expect("a wheel's name"),
        metadata: Metadata::parse(metadata).expect("metadata"),
        root_is_purelib: true,
        dist_info: format!("{stem}.dist-info"),
        entries: Arc::new(entries.collect()),
        digests: Digests::Known,
        entry_points: Vec::new(),
        requested: false,
        direct_url: None,
        warnings: Vec::new(),
    }
}

/// CPython 3.11 on Linux, at `/venv/bin/python`.
pub fn python() -> Python {
    let platform = Platform::Linux {
        arch: "x86_64".to_owned(),
    };
    Python {
        executable: Some("/venv/bin/python".into()),
        version: Version::parse("3.11.7").expect("a version"),
        target: Target {
            implementation: Implementation::CPython,
            version: (3, 11),
            abi: None,
            free_threaded: false,
            debug: false,
            platform,
        },
        is_elsewhere: false,
    }
}

/// The files on disk, and the goal of a command.
#[derive(Default)]
pub struct Scenario {
    installed: Vec<Installed>,
    /// The files that each installed project lists.
    listed: Vec<Vec<String>>,
    /// The content of each file on disk.
    on_disk: BTreeMap<String, String>,
    changes: Vec<Change>,
    files: Vec<WantedFile>,
    ignores_case: bool,
}

impl Scenario {
    /// An empty directory, and nothing wanted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the file system ignores case.
    pub fn ignores_case(self, ignores_case: bool) -> Self {
        Self {
            ignores_case,
            ..self
        }
    }

    /// A project is installed; each of its files holds `installed`.
    pub fn installed(mut self, name: &str, version: &str, paths: &[&str]) -> Self {
        let record = format!("{name}-{version}.dist-info/RECORD");
        let paths = paths.iter().copied().chain([record.as_str()]);
        let paths: Vec<String> = paths.map(str::to_owned).collect();
        for path in &paths {
            self.on_disk.insert(path.clone(), "installed".to_owned());
        }
        self.installed.push(installed_project(name, version));
        self.listed.push(paths);
        self
    }

    /// A file that no project lists.
    pub fn stray(mut self, path: &str, content: &str) -> Self {
        self.on_disk.insert(path.to_owned(), content.to_owned());
        self
    }

    /// The command installs a project with these files and contents.
    pub fn wants(mut self, name: &str, version: &str, files: &[(&str, &str)]) -> Self {
        let owner = ChangeId(u32::try_from(self.changes.len()).expect("few"));
        let record = format!("{name}-{version}.dist-info/RECORD");
        for (path, content) in files {
            let content = content.as_bytes();
            self.files.push(WantedFile {
                place: place(path),
                recorded: (*path).into(),
                owner,
                content: Content::Bytes(content.into()),
                executable: false,
                size: content.len() as u64,
                digest: Some(Digest::of(Algorithm::Sha256, content)),
                crc: None,
            });
        }
        self.files.push(WantedFile {
            place: place(&record),
            recorded: record.as_str().into(),
            owner,
            content: Content::Record(owner),
            executable: false,
            size: 0,
            digest: None,
            crc: None,
        });
        self.change(name, version, Some(WheelId(owner.0)))
    }

    /// The command removes an installed project.
    pub fn removes(self, name: &str) -> Self {
        self.change(name, "", None)
    }

    fn change(mut self, name: &str, version: &str, wheel: Option<WheelId>) -> Self {
        let name = ProjectName::parse(name).expect("a name");
        let old: Vec<usize> = (0..self.installed.len())
            .filter(|&number| self.installed[number].name == name)
            .collect();
        let action = match wheel {
            None => Action::Remove,
            Some(_) if old.is_empty() => Action::Install,
            Some(_) => Action::Replace,
        };
        self.changes.push(Change {
            action,
            source: wheel.map(|_| format!("{}.whl", name.normalized())),
            name,
            version: version.to_owned(),
            previous: None,
            wheel,
            old,
            record: Vec::new(),
            removed: Tally::default(),
        });
        self
    }

    /// The plan of it all.
    pub fn plan(&self, on_conflict: OnConflict) -> Result<Plan> {
        let layout = Layout::for_tests("/target", "");
        let facts = self.facts(&layout);
        let site = |file: &WantedFile| self.site(&file.place, &facts.removal);
        let candidates = self.files.iter().map(|file| Candidate {
            // Nothing has spread these files, and so nothing has looked for protected places.
            is_elsewhere: true,
            ..Candidate::new(file.clone(), site(file))
        });
        let wants = Wants {
            changes: self.changes.clone(),
            files: candidates.collect(),
            bytecode: Vec::new(),
            on_conflict,
        };
        make(wants, &facts)
    }

    fn facts<'a>(&'a self, layout: &'a Layout) -> Facts<'a> {
        let removal = self.removal();
        let row = |path: &String| PlacedRow {
            row: RecordRow {
                path: path.clone(),
                digest: None,
                size: None,
            },
            place: Some(place(path)),
        };
        let records = self.listed.iter().enumerate();
        let records = records.map(|(number, paths)| (number, paths.iter().map(row).collect()));
        let listed = self.listed.iter().enumerate();
        let staying = listed.flat_map(|(number, paths)| paths.iter().map(move |at| (at, number)));
        let staying = staying
            .filter(|_| self.ignores_case)
            .map(|(path, number)| (place(path), number))
            .filter(|(place, _)| !removal.files.contains(place));
        Facts {
            layout,
            installed: &self.installed,
            records: records.collect(),
            ignores_case: self.ignores_case,
            staying: staying.collect(),
            protected: Protected::of(layout),
            removal,
        }
    }

    fn removal(&self) -> Removal {
        let leaving: BTreeSet<usize> = self
            .changes
            .iter()
            .flat_map(|change| change.old.iter().copied())
            .collect();
        let numbers = (0..self.listed.len()).filter(|number| !leaving.contains(number));
        let kept: BTreeSet<&String> = numbers.flat_map(|number| &self.listed[number]).collect();
        let mut removal = Removal::default();
        for number in leaving {
            let paths = self.listed[number].iter();
            let mut project = LeavingProject {
                installed: number,
                files: 0,
                bytes: 0,
            };
            for path in paths.filter(|path| !kept.contains(path)) {
                removal.files.insert(place(path));
                project.files += 1;
                project.bytes += self.on_disk[path].len() as u64;
            }
            removal.projects.push(project);
        }
        let directories: BTreeSet<Place> = removal
            .files
            .iter()
            .flat_map(|file| std::iter::successors(file.parent(), Place::parent))
            .collect();
        for directory in directories {
            let names = self.names_in(directory.path.as_str());
            removal.listings.insert(directory, names);
        }
        removal
    }

    fn names_in(&self, directory: &str) -> Vec<ListedName> {
        let below = |path: &String| {
            let rest = path.strip_prefix(directory)?.strip_prefix('/')?;
            Some(match rest.split_once('/') {
                Some((name, _)) => (name.to_owned(), true),
                None => (rest.to_owned(), false),
            })
        };
        let names: BTreeSet<(String, bool)> = self.on_disk.keys().filter_map(below).collect();
        let names = names.into_iter().map(|(name, is_directory)| ListedName {
            name: Some(name),
            is_directory,
        });
        names.collect()
    }

    fn site(&self, wanted: &Place, removal: &Removal) -> Site {
        let is_directory = |at: &Place| !self.names_in(at.path.as_str()).is_empty();
        let owners = |at: &Place| -> Vec<usize> {
            let lists = |number: &usize| {
                let mut listed = self.listed[*number].iter();
                listed.any(|path| place(path).is_within(at))
            };
            (0..self.listed.len()).filter(lists).collect()
        };
        let above: Vec<Place> = std::iter::successors(wanted.parent(), Place::parent).collect();
        let stands = |at: &&Place| self.on_disk.contains_key(at.path.as_str());
        let stays = |at: &&Place| !removal.files.contains(*at);
        let blocked = above.iter().find(stands).filter(stays);
        let blocked = blocked.map(|by| Blocked {
            by: by.clone(),
            owners: owners(by),
        });
        let missing = above.iter().rev().find(|at| !is_directory(at));
        let file = self.on_disk.get(wanted.path.as_str());
        let file = file.filter(|_| stays(&wanted)).map(|content| {
            let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
            LiveContent::File(LiveFile {
                size: content.len() as u64,
                executable: false,
                sums: Some((digest, 0)),
            })
        });
        let live = file.or_else(|| is_directory(wanted).then_some(LiveContent::Directory));
        let live = live.map(|content| Live {
            content,
            owners: owners(wanted),
        });
        Site {
            place: wanted.clone(),
            missing_root: missing.unwrap_or(wanted).clone(),
            live: live.map(Box::new),
            blocked: blocked.map(Box::new),
        }
    }
}
