//! Scenarios as text: what is wanted, what exists, and which answer is right.
//!
//! `testdata/resolve/packse.txt` describes the lines. Tests add `constrain REQUIREMENT`,
//! `installed NAME VERSION`, `upgrade roots|everything` and `no-deps`; and behind `have` also
//! `new`, `unreadable`, and `metadata-python SPECIFIERS`, which the page does not state.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::super::known::Stated;
use super::super::{
    Candidates, Dependencies, KnownProjects, Rejection, RequirementOrigin, Resolution,
    StatedRequirement, Upgrade, VersionFilter, VersionState, VersionStates, Wanted, solve,
};
use crate::error::Result;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::{Specifiers, Version};

/// One scenario.
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) wanted: Wanted,
    pub(super) memory: Memory,
    /// The text behind `answer`.
    pub(super) answer: String,
}

/// What exists, and what was asked about it.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) pages: HashMap<ProjectName, BTreeMap<Version, VersionState>>,
    pub(super) stated: HashMap<(ProjectName, Version), Dependencies>,
    pub(super) asked: RefCell<Asked>,
}

impl VersionStates for Vec<VersionState> {
    fn state(&self, position: usize) -> &VersionState {
        &self[position]
    }
}

/// What a resolution asked for, waiting or not, each once.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) pages: BTreeSet<String>,
    pub(super) metadata: BTreeSet<(String, Version)>,
    /// The METADATA whose requirements would be looked for as well.
    pub(super) followed: BTreeSet<(String, Version)>,
    /// The METADATA that was asked for ahead of need.
    pub(super) ahead: BTreeSet<(String, Version)>,
    /// What was reported about each project of which several versions were tried, in this order.
    pub(super) tried: Vec<(String, u32, Option<String>)>,
}

pub(super) fn project(text: &str) -> ProjectName {
    ProjectName::parse(text).expect(text)
}

pub(super) fn version(text: &str) -> Version {
    Version::parse(text).expect(text)
}

fn linux(python: &str) -> MarkerEnvironment {
    let mut numbers = python.split('.');
    let short = [numbers.next(), numbers.next()].map(|number| number.expect("two numbers"));
    let text = |text: &str| text.to_owned();
    MarkerEnvironment {
        implementation_name: text("cpython"),
        implementation_version: text(python),
        os_name: text("posix"),
        platform_machine: text("x86_64"),
        platform_python_implementation: text("CPython"),
        platform_release: text("6.1.0"),
        platform_system: text("Linux"),
        platform_version: text("#1 SMP"),
        python_full_version: text(python),
        python_version: short.join("."),
        sys_platform: text("linux"),
    }
}

impl Scenario {
    /// Reads all scenarios of a text.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let cases = text.split("\ncase ").skip(1);
        cases.map(Self::read).collect()
    }

    /// Reads one scenario: its name, then its lines.
    pub(super) fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let mut scenario = Self {
            name: lines.next().unwrap_or_default().trim().to_owned(),
            wanted: Wanted {
                roots: Vec::new(),
                constraints: Vec::new(),
                prereleases: false,
                no_deps: false,
                upgrade: Upgrade::Nothing,
                installed: BTreeMap::new(),
                environment: linux("3.12.1"),
                python: version("3.12.1"),
            },
            memory: Memory::default(),
            answer: String::new(),
        };
        let mut last = None;
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            scenario.line(word, rest, &mut last);
        }
        scenario.memory.reject_by_python(&scenario.wanted.python);
        scenario
    }

    fn line(&mut self, word: &str, rest: &str, last: &mut Option<(ProjectName, Version)>) {
        let wanted = &mut self.wanted;
        match word {
            "python" => {
                wanted.environment = linux(rest);
                wanted.python = version(rest);
            }
            "prereleases" => wanted.prereleases = true,
            "no-deps" => wanted.no_deps = true,
            "upgrade" if rest == "roots" => wanted.upgrade = Upgrade::Roots,
            "upgrade" => wanted.upgrade = Upgrade::Everything,
            "installed" => {
                let (name, found) = rest.split_once(' ').expect(rest);
                wanted.installed.insert(project(name), version(found));
            }
            "want" => {
                let place = wanted.roots.len() + 1;
                wanted.roots.push(stated("requirements.in", place, rest));
            }
            "constrain" => {
                let place = wanted.constraints.len() + 1;
                wanted
                    .constraints
                    .push(stated("constraints.txt", place, rest));
            }
            "have" => *last = Some(self.memory.add(rest)),
            "needs" | "extra" => {
                let key = last.as_ref().expect("a version before its requirements");
                let Some(Dependencies::Stated(stated)) = self.memory.stated.get_mut(key) else {
                    panic!("requirements of unreadable METADATA");
                };
                if word == "needs" {
                    stated.requires.push(Requirement::parse(rest).expect(rest));
                } else {
                    stated.extras.push(crate::spec::marker::normalized(rest));
                }
            }
            "answer" => rest.clone_into(&mut self.answer),
            _ => assert!(word.starts_with('#'), "{word}"),
        }
    }

    pub(super) fn solve(&self) -> Result<Resolution> {
        solve(&self.wanted, &self.memory)
    }

    /// The versions of the answer, as `a 1, b 2`, or the kind of the failure.
    pub(super) fn solved(&self) -> String {
        match self.solve() {
            Ok(resolution) => shown(&resolution),
            Err(error) => error.code().to_owned(),
        }
    }
}

/// The versions of an answer, as `a 1, b 2`.
pub(super) fn shown(resolution: &Resolution) -> String {
    let projects = resolution.projects.iter();
    let projects: Vec<_> = projects
        .map(|found| format!("{} {}", found.name, found.version))
        .collect();
    projects.join(", ")
}

/// Solves a scenario that is written in a test.
pub(super) fn solved(text: &str) -> String {
    Scenario::read(text).solved()
}

fn stated(file: &str, place: usize, text: &str) -> StatedRequirement {
    let line = u64::try_from(place).expect("few lines");
    StatedRequirement {
        requirement: Requirement::parse(text).expect(text),
        origin: RequirementOrigin::Line(file.to_owned(), line),
    }
}

impl Memory {
    /// Adds the version of a `have` line.
    fn add(&mut self, text: &str) -> (ProjectName, Version) {
        let mut words = text.split(' ');
        let name = project(words.next().expect("a name"));
        let found = version(words.next().expect("a version"));
        let mut state = VersionState::default();
        let mut dependencies = Dependencies::Stated(Stated::default());
        while let Some(word) = words.next() {
            match word {
                "foreign" => state.rejection = Some(Rejection::Tags),
                "sdist" => state.rejection = Some(Rejection::NoWheel),
                "new" => state.rejection = Some(Rejection::TooNew),
                "yanked" => state.yanked = Some("broken".into()),
                "unreadable" => dependencies = Dependencies::Unreadable("it is empty".to_owned()),
                "python" | "metadata-python" => {
                    let text = words.next().expect("specifiers");
                    let specifiers = Specifiers::parse(text).expect(text);
                    if let Dependencies::Stated(stated) = &mut dependencies {
                        stated.python = Some(specifiers.clone());
                    }
                    if word == "python" && state.rejection.is_none() {
                        // Compared with the interpreter once that is known.
                        state.rejection = Some(Rejection::Python(specifiers));
                    }
                }
                other => panic!("{other}"),
            }
        }
        let page = self.pages.entry(name.clone()).or_default();
        page.insert(found.clone(), state);
        self.stated
            .insert((name.clone(), found.clone()), dependencies);
        (name, found)
    }

    fn reject_by_python(&mut self, python: &Version) {
        for state in self.pages.values_mut().flat_map(BTreeMap::values_mut) {
            if matches!(&state.rejection, Some(Rejection::Python(set)) if set.contains(python)) {
                state.rejection = None;
            }
        }
    }

    fn page(&self, name: &ProjectName) -> Option<Candidates> {
        let page = self.pages.get(name)?;
        let states: Vec<VersionState> = page.values().cloned().collect();
        Some(Candidates::new(
            page.keys().cloned().collect(),
            Arc::new(states),
        ))
    }
}

impl KnownProjects for Memory {
    fn want_candidates(&self, name: &ProjectName, _: VersionFilter) {
        self.asked.borrow_mut().pages.insert(name.to_string());
    }

    fn want_requirements(&self, name: &ProjectName, version: &Version) {
        let key = (name.to_string(), version.clone());
        self.asked.borrow_mut().followed.insert(key);
        self.want_ahead(name, vec![version.clone()]);
    }

    fn want_ahead(&self, name: &ProjectName, versions: Vec<Version>) {
        let ahead = &mut self.asked.borrow_mut().ahead;
        for version in versions {
            let is_new = ahead.insert((name.to_string(), version.clone()));
            assert!(is_new, "{name} {version} is asked for ahead twice");
        }
    }

    /// As if every page arrived before the solver looks again.
    fn peek_candidates(&self, name: &ProjectName) -> Option<Arc<Candidates>> {
        self.page(name).map(Arc::new)
    }

    fn candidates(&self, name: &ProjectName) -> Result<Arc<Candidates>> {
        self.asked.borrow_mut().pages.insert(name.to_string());
        Ok(Arc::new(self.page(name).unwrap_or_default()))
    }

    fn requirements(&self, name: &ProjectName, version: &Version) -> Result<Arc<Dependencies>> {
        let key = (name.to_string(), version.clone());
        let is_new = self.asked.borrow_mut().metadata.insert(key);
        assert!(is_new, "{name} {version} is read twice");
        let found = &self.stated[&(name.clone(), version.clone())];
        Ok(Arc::new(found.clone()))
    }

    fn report_tried(&self, name: &ProjectName, times: u32, reason: &dyn Fn() -> Option<String>) {
        let tried = (name.to_string(), times, reason());
        self.asked.borrow_mut().tried.push(tried);
    }

    fn should_cancel(&self) -> Result<()> {
        Ok(())
    }
}
