//! `pyproject.toml`: the dependencies of a project and its dependency groups.
//!
//! Input: the TOML. Output: the requirements of the project, of chosen extras and of chosen groups,
//! each with its key. Invariants: a table that is not read may hold anything; groups that include
//! each other in a circle are refused (PEP 735). Limits: only static dependencies, because finding
//! dynamic ones would run the project's build.

use toml::{Table, Value};

use super::marker::normalized;
use super::requirement::Requirement;
use super::version::{Specifiers, Version};
use crate::error::{Fault, ResolutionFault};

/// How deep groups may include others, and a project its own extras.
// Reading them recurses, and a hostile file must not overflow the stack.
const MOST_DEPTH: usize = 64;

/// A `pyproject.toml`.
#[derive(Debug)]
pub struct ProjectFile {
    project: Table,
    groups: Table,
}

/// Requirements, each with the key that states it.
type StatedByKey = Vec<(String, Requirement)>;

impl ProjectFile {
    /// Reads the tables `[project]` and `[dependency-groups]`.
    ///
    /// # Errors
    /// It is not TOML, or one of the two is no table.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let not_toml = |reason: String| vec![ResolutionFault::NotToml(reason).into()];
        let text = std::str::from_utf8(text).map_err(|error| not_toml(error.to_string()))?;
        let mut root: Table = text
            .parse()
            .map_err(|error: toml::de::Error| not_toml(error.message().to_owned()))?;
        let mut table = |key: &str| match root.remove(key) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => Ok(table),
            Some(_) => Err(vec![bad(key, "it is not a table")]),
        };
        Ok(Self {
            project: table("project")?,
            groups: table("dependency-groups")?,
        })
    }

    /// The requirements of the project, its `extras` and these `groups`, for an interpreter.
    ///
    /// # Errors
    /// Every key that cannot be read, an extra or group that is not there, dynamic dependencies, a
    /// `requires-python` that excludes the interpreter, or neither `[project]` nor a group.
    pub fn requirements(
        &self,
        extras: &[String],
        groups: &[String],
        python: &Version,
    ) -> Result<StatedByKey, Vec<Fault>> {
        let mut reading = ProjectReader {
            file: self,
            found: Vec::new(),
            faults: Vec::new(),
            own: self
                .project
                .get("name")
                .and_then(Value::as_str)
                .map(normalized),
            done: Vec::new(),
        };
        if self.project.is_empty() && groups.is_empty() {
            let reason = "there is no such table, and no other one is read, like `tool.poetry`";
            reading.faults.push(bad("project", reason));
        }
        reading.check_python(python);
        reading.dependencies(extras);
        for group in groups {
            reading.group(group, &mut Vec::new());
        }
        if reading.faults.is_empty() {
            Ok(reading.found)
        } else {
            Err(reading.faults)
        }
    }
}

/// The requirements of a file, as they are found.
struct ProjectReader<'a> {
    file: &'a ProjectFile,
    found: StatedByKey,
    faults: Vec<Fault>,
    /// The normalized name of the project, which its extras may name.
    own: Option<String>,
    /// The extras that were read, so that none is read twice.
    done: Vec<String>,
}

fn bad(key: &str, reason: &str) -> Fault {
    ResolutionFault::ProjectKey {
        key: key.to_owned(),
        reason: reason.to_owned(),
    }
    .into()
}

impl ProjectReader<'_> {
    fn check_python(&mut self, python: &Version) {
        let Some(text) = self
            .file
            .project
            .get("requires-python")
            .and_then(Value::as_str)
        else {
            return;
        };
        match Specifiers::parse(text) {
            None => {
                let fault = bad("project.requires-python", "it is not a set of versions");
                self.faults.push(fault);
            }
            Some(set) if !set.contains(python) => {
                let reason = format!("the project supports Python {text}, and this is {python}");
                self.faults.push(bad("project.requires-python", &reason));
            }
            Some(_) => {}
        }
    }

    fn dependencies(&mut self, extras: &[String]) {
        let file = self.file;
        let dynamic = file.project.get("dynamic").and_then(Value::as_array);
        let is_dynamic = |key: &str| {
            dynamic.is_some_and(|keys| keys.iter().any(|dynamic| dynamic.as_str() == Some(key)))
        };
        let why = "it is dynamic: only building the project would tell";
        if is_dynamic("dependencies") {
            self.faults.push(bad("project.dependencies", why));
        } else if let Some(list) = file.project.get("dependencies") {
            self.list("project.dependencies", list, 0);
        }
        if !extras.is_empty() && is_dynamic("optional-dependencies") {
            self.faults.push(bad("project.optional-dependencies", why));
            return;
        }
        for extra in extras {
            self.extra(extra, 0);
        }
    }

    fn extra(&mut self, extra: &str, depth: usize) {
        let wanted = normalized(extra);
        if self.done.contains(&wanted) {
            return;
        }
        self.done.push(wanted.clone());
        let file = self.file;
        let table = file
            .project
            .get("optional-dependencies")
            .and_then(Value::as_table);
        let found = table.and_then(|table| table.iter().find(|(key, _)| normalized(key) == wanted));
        match found {
            Some((key, list)) => {
                self.list(&format!("project.optional-dependencies.{key}"), list, depth);
            }
            None => self.faults.push(
                ResolutionFault::NotOffered {
                    kind: "extra",
                    name: extra.to_owned(),
                    offered: table.map_or_else(Vec::new, |table| table.keys().cloned().collect()),
                }
                .into(),
            ),
        }
    }

    /// A list of requirements.
    fn list(&mut self, key: &str, list: &Value, depth: usize) {
        let Some(list) = list.as_array() else {
            self.faults.push(bad(key, "it is not a list"));
            return;
        };
        for item in list {
            match item.as_str() {
                Some(text) => self.requirement(key, text, depth),
                None => self
                    .faults
                    .push(bad(key, "it has an item that is not a text")),
            }
        }
    }

    fn requirement(&mut self, key: &str, text: &str, depth: usize) {
        match Requirement::parse(text) {
            // `project[extra]` inside the project means the requirements of that extra.
            Ok(requirement) if self.own.as_deref() == Some(requirement.name.normalized()) => {
                if depth < MOST_DEPTH {
                    for extra in &requirement.extras {
                        self.extra(extra, depth + 1);
                    }
                }
            }
            Ok(requirement) => self.found.push((key.to_owned(), requirement)),
            Err(reason) => {
                let reason = format!("`{text}` is not a requirement: {reason}");
                self.faults.push(bad(key, &reason));
            }
        }
    }

    /// A dependency group (PEP 735); `path` are the groups that led to it.
    fn group(&mut self, name: &str, path: &mut Vec<String>) {
        let wanted = normalized(name);
        if path.contains(&wanted) || path.len() >= MOST_DEPTH {
            let circle = format!("it includes itself, through {}", path.join(", "));
            self.faults
                .push(bad(&format!("dependency-groups.{name}"), &circle));
            return;
        }
        let file = self.file;
        let mut matching = file
            .groups
            .iter()
            .filter(|(key, _)| normalized(key) == wanted);
        let (Some((key, list)), again) = (matching.next(), matching.next()) else {
            self.faults.push(
                ResolutionFault::NotOffered {
                    kind: "dependency group",
                    name: name.to_owned(),
                    offered: file.groups.keys().cloned().collect(),
                }
                .into(),
            );
            return;
        };
        let key = format!("dependency-groups.{key}");
        if again.is_some() {
            self.faults
                .push(bad(&key, "another group has the same normalized name"));
            return;
        }
        let Some(list) = list.as_array() else {
            self.faults.push(bad(&key, "it is not a list"));
            return;
        };
        path.push(wanted);
        for item in list {
            match item {
                // In a group the project's own name is an ordinary requirement.
                Value::String(text) => match Requirement::parse(text) {
                    Ok(requirement) => self.found.push((key.clone(), requirement)),
                    Err(reason) => {
                        let reason = format!("`{text}` is not a requirement: {reason}");
                        self.faults.push(bad(&key, &reason));
                    }
                },
                Value::Table(table) if table.len() == 1 => {
                    match table.get("include-group").and_then(Value::as_str) {
                        Some(other) => self.group(other, path),
                        None => self
                            .faults
                            .push(bad(&key, "it has a table without `include-group`")),
                    }
                }
                _ => self
                    .faults
                    .push(bad(&key, "it has an item that is neither text nor include")),
            }
        }
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[project]\nname = 'My_App'\nversion = '1'\nrequires-python = '>=3.9'\n\
        dependencies = ['flask >=3']\n[project.optional-dependencies]\n\
        All_of = ['my-app[db]', 'rich']\ndb = ['psycopg ; sys_platform == \"linux\"']\n\
        [dependency-groups]\ntest = ['pytest', {include-group = 'Typing_x'}]\n\
        typing-x = ['mypy']\na = [{include-group = 'b'}]\nb = [{include-group = 'a'}]\n\
        [tool.x]\ny = 1\n";

    fn read(extras: &[&str], groups: &[&str]) -> Result<Vec<(String, String)>, Vec<&'static str>> {
        let file = ProjectFile::parse(TEXT.as_bytes()).expect("it is TOML");
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<Vec<_>>()
        };
        let python = Version::parse("3.12.0").expect("a version");
        let found = file.requirements(&owned(extras), &owned(groups), &python);
        let named = |(key, requirement): (String, Requirement)| (key, requirement.name.to_string());
        found
            .map(|found| found.into_iter().map(named).collect())
            .map_err(|faults| faults.iter().map(Fault::code).collect())
    }

    #[test]
    fn dependencies_extras_and_groups_are_read_with_their_keys() {
        let names = |found: Vec<(String, String)>| -> Vec<String> {
            found.into_iter().map(|(_, name)| name).collect()
        };
        assert_eq!(read(&[], &[]).map(names), Ok(vec!["flask".to_owned()]));
        let all = read(&["all-of"], &["TEST"]).expect("it is right");
        let keys: Vec<_> = all
            .iter()
            .map(|(key, name)| (key.as_str(), name.as_str()))
            .collect();
        let expected = [
            ("project.dependencies", "flask"),
            ("project.optional-dependencies.db", "psycopg"),
            ("project.optional-dependencies.All_of", "rich"),
            ("dependency-groups.test", "pytest"),
            ("dependency-groups.typing-x", "mypy"),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn what_is_missing_circular_dynamic_or_too_old_is_refused() {
        assert_eq!(
            read(&["x"], &["y"]),
            Err(vec!["not-offered", "not-offered"])
        );
        assert_eq!(read(&[], &["a"]), Err(vec!["bad-key"]));
        let refused = |text: &str| {
            let python = Version::parse("3.12.0").expect("a version");
            let file = ProjectFile::parse(text.as_bytes())?;
            file.requirements(&[], &[], &python)
        };
        for text in [
            "[project]\nname = 'a'\ndynamic = ['dependencies']",
            "[project]\ndependencies = 'flask'",
            "[project]\ndependencies = [1]",
            "[project]\ndependencies = ['flask >>1']",
            "[project]\nrequires-python = '<3.12'",
            "project = 1",
            "[project",
            "",
            "[tool.poetry.dependencies]\nflask = '3'",
        ] {
            assert!(refused(text).is_err(), "{text}");
        }
        let without_dependencies = refused("[project]\nname = 'a'");
        assert!(without_dependencies.is_ok_and(|found| found.is_empty()));
    }
}
