//! One requirement, as METADATA, a list or a command line states it.
//!
//! Input: a line ("Dependency specifiers"). Output: a [`Requirement`], or the reason why it cannot
//! be read. Limits: `===` needs a valid version, and a comparison in a marker needs a field on one
//! side and a text on the other; `packaging` takes more of both.

use std::fmt;

use super::marker::{self, Marker, MarkerEnvironment, MarkerScope, Sets};
use super::name::ProjectName;
use super::version::Specifiers;

/// A project that is needed, in some versions or from one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The project.
    pub name: ProjectName,
    /// The extras that are needed, too: normalized, sorted, each once.
    pub extras: Vec<String>,
    /// The versions that will do, or the one address.
    pub wanted: VersionsOrUrl,
    marker: Option<Marker>,
}

/// The part of a requirement behind the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionsOrUrl {
    /// Versions; no clause means every version.
    Versions(Specifiers),
    /// The file at this URL or path, as written.
    Url(String),
}

impl Requirement {
    /// Reads one requirement; the legacy parentheses of `a (>=1)` are taken, too.
    ///
    /// # Errors
    /// The first reason why it cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_matches([' ', '\t']);
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        let name = ProjectName::parse(name)
            .ok_or_else(|| format!("it does not begin with a project's name: `{text}`"))?;
        let (extras, rest) = read_extras(rest.trim_start_matches([' ', '\t']))?;
        let (wanted, marker) = match rest.strip_prefix('@') {
            Some(url) => read_url(url.trim_start_matches([' ', '\t']))?,
            None => {
                let (versions, marker) = match rest.split_once(';') {
                    Some((versions, marker)) => (versions, Some(marker)),
                    None => (rest, None),
                };
                (VersionsOrUrl::Versions(read_versions(versions)?), marker)
            }
        };
        let marker = marker.map(|text| Marker::parse(text.trim(), MarkerScope::Requirement));
        let marker = marker
            .transpose()
            .map_err(|reason| format!("its marker cannot be read: {reason}"))?;
        Ok(Self {
            name,
            extras,
            wanted,
            marker,
        })
    }

    /// The file at `url`, a URL or path.
    pub fn at(name: ProjectName, url: &str, marker: Option<Marker>) -> Self {
        Self {
            name,
            extras: Vec::new(),
            wanted: VersionsOrUrl::Url(url.to_owned()),
            marker,
        }
    }

    /// Whether it applies if no extra is asked for.
    pub fn applies(&self, environment: &MarkerEnvironment) -> bool {
        let holds = |marker: &Marker| marker.holds(environment, &Sets::default());
        self.marker.as_ref().is_none_or(holds)
    }

    /// Whether it applies because of `extra`, a normalized name: with it, and not without.
    pub fn applies_only_with(&self, extra: &str, environment: &MarkerEnvironment) -> bool {
        let marker = self.marker.as_ref();
        let Some(marker) = marker.filter(|marker| marker.may_depend_on_extra(extra)) else {
            return false;
        };
        let sets = Sets {
            extra: extra.to_owned(),
            ..Sets::default()
        };
        marker.holds(environment, &sets) && !marker.holds(environment, &Sets::default())
    }

    /// The versions that it allows; none are stated if it names an address.
    pub fn specifiers(&self) -> Option<&Specifiers> {
        match &self.wanted {
            VersionsOrUrl::Versions(specifiers) => Some(specifiers),
            VersionsOrUrl::Url(_) => None,
        }
    }

    /// The address that it names, as written.
    pub fn url(&self) -> Option<&str> {
        match &self.wanted {
            VersionsOrUrl::Versions(_) => None,
            VersionsOrUrl::Url(url) => Some(url),
        }
    }
}

/// `[x, y]`, and what follows.
fn read_extras(text: &str) -> Result<(Vec<String>, &str), String> {
    let Some(inner) = text.strip_prefix('[') else {
        return Ok((Vec::new(), text));
    };
    let (inner, rest) = inner.split_once(']').ok_or("a `]` is missing")?;
    let mut extras = Vec::new();
    if !inner.trim().is_empty() {
        for extra in inner.split(',') {
            let extra = extra.trim();
            ProjectName::parse(extra).ok_or_else(|| format!("`{extra}` is not an extra's name"))?;
            extras.push(marker::normalized(extra));
        }
    }
    extras.sort_unstable();
    extras.dedup();
    Ok((extras, rest.trim_start_matches([' ', '\t'])))
}

/// The clauses between the name and the marker, with or without parentheses.
fn read_versions(text: &str) -> Result<Specifiers, String> {
    let text = text.trim_matches([' ', '\t']);
    let bare = match text.strip_prefix('(') {
        Some(inner) => inner.strip_suffix(')').ok_or("a `)` is missing")?.trim(),
        None => text,
    };
    let fault = || format!("`{bare}` is not a set of versions");
    // One comma may end the clauses, but none may begin them or stand beside another.
    let clauses = bare.strip_suffix(',').unwrap_or(bare);
    if !clauses.is_empty() && clauses.split(',').any(|clause| clause.trim().is_empty()) {
        return Err(fault());
    }
    if clauses.is_empty() && bare != clauses {
        return Err(fault());
    }
    Specifiers::parse(clauses).ok_or_else(fault)
}

/// A URL, which ends at white space, and the marker behind it.
fn read_url(text: &str) -> Result<(VersionsOrUrl, Option<&str>), String> {
    let (url, rest) = text.split_at(text.find([' ', '\t']).unwrap_or(text.len()));
    if url.is_empty() {
        return Err("an address is missing after `@`".to_owned());
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    let marker = rest.strip_prefix(';');
    if marker.is_none() && !rest.is_empty() {
        return Err(format!("`{rest}` is left over after the address"));
    }
    Ok((VersionsOrUrl::Url(url.to_owned()), marker))
}

/// Name, extras and versions without the marker: `a[x] >=1, <2`.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if !self.extras.is_empty() {
            write!(f, "[{}]", self.extras.join(","))?;
        }
        match &self.wanted {
            VersionsOrUrl::Versions(specifiers) if specifiers.is_empty() => Ok(()),
            VersionsOrUrl::Versions(specifiers) => write!(f, " {specifiers}"),
            VersionsOrUrl::Url(url) => write!(f, " @ {url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> MarkerEnvironment {
        MarkerEnvironment {
            python_version: "3.12".to_owned(),
            os_name: "posix".to_owned(),
            platform_python_implementation: "CPython".to_owned(),
            ..MarkerEnvironment::default()
        }
    }

    /// The answers of `packaging` 26.4.
    #[test]
    fn requirements_are_read_as_packaging_reads_them() {
        for (text, shown) in [
            ("a", "a"),
            ("A_.b >= 1.0", "a-b >= 1.0"),
            ("a>=1,", "a >=1"),
            ("a<2 , >=1 ,", "a <2 , >=1"),
            ("a (>=1)", "a >=1"),
            ("a(>=1,<2) ; extra=='x'", "a >=1,<2"),
            ("a()", "a"),
            ("a[]", "a"),
            ("a[X_y, b,x-Y]>1", "a[b,x-y] >1"),
            ("a@http://h/x;y", "a @ http://h/x;y"),
            ("a[x]@ http://h ; python_version>'3'", "a[x] @ http://h"),
            ("a @ ./x.whl", "a @ ./x.whl"),
            (" a\t==1.0+l ", "a ==1.0+l"),
            ("a ==1.* , >0", "a ==1.* , >0"),
            ("a; os.name=='posix'", "a"),
            ("a; python_implementation=='CPython'", "a"),
        ] {
            let read = Requirement::parse(text).expect(text);
            assert_eq!(read.to_string(), shown, "{text}");
        }
        for text in [
            "",
            "-a",
            "a.",
            "é",
            "a (1.0)",
            "a ,>=1",
            "a>=1,,<2",
            "a>=1 <2",
            "a (>=1",
            "a>=1)",
            "a;",
            "a >= 1 ;",
            "a>=1.*",
            "a>=1.0+l",
            "a[x,]",
            "a[,x]",
            "a[x y]",
            "a[x",
            "a @ ",
            "a ~=1",
            "a >dev",
            "a=>1",
            "a=1",
            "a==1.0.dev1.*",
            "a>1 ;; extra=='x'",
            "a,",
            "a (,)",
            "a @ http://h/x; python_version>'3'",
            "a;python_version > \"3\" # c",
        ] {
            assert!(Requirement::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_requirement_of_an_extra_applies_only_with_it() {
        let read = |text| Requirement::parse(text).expect(text);
        let environment = environment();
        let optional = read("a; extra == 'X_y' and python_version >= '3'");
        assert!(!optional.applies(&environment));
        assert!(optional.applies_only_with("x-y", &environment));
        assert!(!optional.applies_only_with("z", &environment));
        let always = read("a; python_version >= '3' or extra == 'x'");
        assert!(always.applies(&environment));
        assert!(!always.applies_only_with("x", &environment));
        let never = read("a; python_version < '3' and extra == 'x'");
        assert!(!never.applies_only_with("x", &environment));
        assert!(!read("a").applies_only_with("x", &environment));
        let negated = read("a; extra != 'x'");
        assert!(negated.applies(&environment) && !negated.applies_only_with("x", &environment));
        assert!(read("a; os.name == 'posix'").applies(&environment));
    }
}
