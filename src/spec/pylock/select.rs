//! The wheels that a lock file lists for one environment.
//!
//! Input: a [`LockFile`] and a [`Choice`]: the environment's markers and version, the selected
//! extras and groups, and a ranking of tags. Output: one [`LockedWheel`] for each package that
//! applies, or every reason for a refusal. Invariant: no file is looked up; the steps are those of
//! the specification's section "Installation".

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Artifact, LockFile, Package};
use crate::digest::{Algorithm, Digest};
use crate::error::{Fault, MetadataFault, ResolutionFault};
use crate::spec::location::{Location, shown};
use crate::spec::marker::{MarkerEnvironment, Sets, normalized};
use crate::spec::version::Version;
use crate::spec::wheel_name::{Tag, WheelName};

/// The selected extras and dependency groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The extras; none by default.
    pub extras: Vec<String>,
    /// The dependency groups beside the default ones.
    pub groups: Vec<String>,
    /// Whether the default groups are left out.
    pub without_default_groups: bool,
}

/// The environment that wheels are chosen for, and how strictly.
pub struct Choice<'a> {
    /// The values of the markers' fields.
    pub environment: &'a MarkerEnvironment,
    /// The interpreter's version.
    pub python: &'a Version,
    /// The name of the environment in messages.
    pub described: &'a str,
    /// The selected extras and groups.
    pub selection: &'a Selection,
    /// How well a wheel's tags fit: 0 is best, `None` not at all.
    pub rank: &'a dyn Fn(&[Tag]) -> Option<usize>,
    /// Whether the environment must be one that the lock file supports. The markers of packages are
    /// evaluated in any case.
    pub compat_check: bool,
}

/// A wheel that a lock file selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedWheel {
    /// Its file name.
    pub file_name: String,
    /// Its path or URL; a relative path is relative to the lock file.
    pub location: Location,
    /// Its length in bytes.
    pub size: Option<u64>,
    /// Its hashes, all of which must match.
    pub hashes: Vec<Digest>,
    /// Whether it counts as named by a URL, which direct_url.json records.
    pub is_direct: bool,
}

/// The source of a package.
enum Origin<'a> {
    Wheel(&'a Artifact, bool),
    NotAWheel(String),
}

impl LockFile {
    /// The wheels for one environment, in the lock file's order ("`pylock.toml` specification",
    /// "Installation").
    ///
    /// # Errors
    /// Every reason why it cannot be installed; all packages that are not wheels are one fault.
    pub fn select(&self, choice: &Choice<'_>) -> Result<Vec<LockedWheel>, Vec<Fault>> {
        let mut faults: Vec<Fault> = self.unsupported(choice);
        let mut sets = Sets::default();
        match self.sets(choice.selection) {
            Ok(found) => sets = found,
            // With empty sets the packages are still checked, so that one run reports more faults.
            Err(found) => faults.extend(found.into_iter().map(Fault::from)),
        }
        let meant: Vec<&Package> = self
            .packages
            .iter()
            .filter(|package| {
                package
                    .marker
                    .as_ref()
                    .is_none_or(|marker| marker.holds(choice.environment, &sets))
            })
            .collect();
        faults.extend(twice(&meant).into_iter().map(Fault::from));
        let (mut wheels, mut others) = (Vec::new(), Vec::new());
        for package in meant {
            match package.wheel(choice) {
                Ok(Origin::NotAWheel(what)) => others.push((package.label(), what)),
                Ok(Origin::Wheel(artifact, is_direct)) => match artifact.locked(package, is_direct)
                {
                    Ok(wheel) => wheels.push(wheel),
                    Err(fault) => faults.push(fault.into()),
                },
                Err(fault) => faults.push(fault.into()),
            }
        }
        if !others.is_empty() {
            faults.push(ResolutionFault::NotWheels(others).into());
        }
        if faults.is_empty() {
            Ok(wheels)
        } else {
            Err(faults)
        }
    }

    /// The reasons why the lock file does not support the environment.
    fn unsupported(&self, choice: &Choice<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !choice.compat_check {
            return faults;
        }
        if let Some(requires) = self
            .requires_python
            .as_ref()
            .filter(|requires| !requires.contains(choice.python))
        {
            let fault = MetadataFault::RequiresPython {
                requires: requires.to_string(),
                python: choice.python.to_string(),
            };
            faults.push(fault.into());
        }
        // These markers are parsed without `extras` and `dependency_groups`, so empty sets do.
        let holds =
            |(_, marker): &(_, super::Marker)| marker.holds(choice.environment, &Sets::default());
        if !self.environments.is_empty() && !self.environments.iter().any(holds) {
            let markers = self
                .environments
                .iter()
                .map(|(text, _)| text.clone())
                .collect();
            faults.push(ResolutionFault::NoEnvironment(markers).into());
        }
        faults
    }

    /// The values of `extras` and `dependency_groups`.
    fn sets(&self, selection: &Selection) -> Result<Sets, Vec<ResolutionFault>> {
        let names = |names: &[String]| {
            names
                .iter()
                .map(|name| normalized(name))
                .collect::<Vec<_>>()
        };
        let (extras, mut groups, defaults) = (
            names(&selection.extras),
            names(&selection.groups),
            names(&self.default_groups),
        );
        let mut faults = Vec::new();
        let mut check = |kind, wanted: &[String], offered: &[String], hidden: &[String]| {
            for name in wanted
                .iter()
                .filter(|name| !offered.contains(name) && !hidden.contains(name))
            {
                faults.push(ResolutionFault::NotOffered {
                    kind,
                    name: name.clone(),
                    offered: offered.to_vec(),
                });
            }
        };
        check("extra", &extras, &names(&self.extras), &[]);
        check(
            "dependency group",
            &groups,
            &names(&self.dependency_groups),
            // The specification keeps default groups out of `dependency-groups`, so a name may be
            // in either list.
            &defaults,
        );
        if !selection.without_default_groups {
            groups.extend(defaults);
        }
        if faults.is_empty() {
            Ok(Sets {
                extras,
                dependency_groups: groups,
                ..Sets::default()
            })
        } else {
            Err(faults)
        }
    }
}

/// Projects that are selected more than once.
fn twice(meant: &[&Package]) -> Vec<ResolutionFault> {
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in meant {
        by_name
            .entry(package.name.normalized())
            .or_default()
            .push(package);
    }
    by_name
        .into_iter()
        .filter(|(_, packages)| packages.len() > 1)
        .map(|(name, packages)| ResolutionFault::Twice {
            package: name.to_owned(),
            found: packages
                .into_iter()
                .map(|package| format!("`{}`", package.label()))
                .collect(),
        })
        .collect()
}

impl Package {
    /// The name, and the version if it is known.
    fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.to_string(),
        }
    }

    /// Whether a wheel belongs to this project, and to this version if it is known.
    fn is_of(&self, name: &WheelName) -> bool {
        let is_version = |version: &Version| name.version.matches(version);
        self.name == name.name && self.version.as_ref().is_none_or(is_version)
    }

    /// The source that it is installed from.
    fn wheel(&self, choice: &Choice<'_>) -> Result<Origin<'_>, ResolutionFault> {
        if let Some(requires) = &self.requires_python
            && choice.compat_check
            && !requires.contains(choice.python)
        {
            let (requires, python) = (requires.to_string(), choice.python.to_string());
            return Err(ResolutionFault::PackageRequiresPython {
                package: self.label(),
                requires,
                python,
            });
        }
        let other = |what: String| Ok(Origin::NotAWheel(what));
        match (
            &self.vcs,
            &self.directory,
            &self.archive,
            &self.sdist,
            self.wheels.is_empty(),
        ) {
            (Some((kind, place)), None, None, None, true) => {
                other(format!("a {kind} repository, `{}`", shown(place)))
            }
            (None, Some((place, true)), None, None, true) => {
                other(format!("an editable directory, `{place}`"))
            }
            (None, Some((place, false)), None, None, true) => {
                other(format!("a directory, `{place}`"))
            }
            (None, None, Some(archive), None, true) => match archive.location(&self.label())? {
                location if location.file_name().ends_with(".whl") => {
                    // `archive` stands for a direct reference, while `wheels` come from an index.
                    Ok(Origin::Wheel(archive, true))
                }
                location => other(format!("an archive of sources, `{}`", location.label())),
            },
            (None, None, None, Some(sdist), true) => other(format!(
                "a source distribution, `{}`",
                sdist.location(&self.label())?.label()
            )),
            // Only `sdist` may stand beside `wheels`; it is passed over, since nothing is built.
            (None, None, None, _, false) => {
                self.best(choice).map(|wheel| Origin::Wheel(wheel, false))
            }
            _ => Err(ResolutionFault::Sources {
                package: self.label(),
                found: self.sources(),
            }),
        }
    }

    /// The names of its sources' keys.
    fn sources(&self) -> Vec<&'static str> {
        [
            ("vcs", self.vcs.is_some()),
            ("directory", self.directory.is_some()),
            ("archive", self.archive.is_some()),
            ("sdist", self.sdist.is_some()),
            ("wheels", !self.wheels.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
        .collect()
    }

    /// The wheel whose tags fit best; among equals the one with the highest build, then the first.
    /// Without the compatibility check a single wheel is taken although it does not fit. A wheel
    /// whose name cannot be read never fits.
    fn best(&self, choice: &Choice<'_>) -> Result<&Artifact, ResolutionFault> {
        let named = self
            .wheels
            .iter()
            .filter_map(|wheel| Some((wheel, WheelName::parse(&wheel.file_name()).ok()?)));
        let ranked = named.filter_map(|(wheel, name)| {
            Some((((choice.rank)(&name.tags)?, Reverse(name.build)), wheel))
        });
        let best = ranked
            // `min_by` keeps the first of equal wheels, which is the order of the list.
            .min_by(|(one, _), (other, _)| one.cmp(other))
            .map(|(_, wheel)| wheel);
        match self.wheels.as_slice() {
            [only] if !choice.compat_check => Ok(only),
            wheels => best.ok_or_else(|| {
                let package = self.label();
                // A wheel whose URL cannot be read has no name, and it may be the one that fits.
                let unreadable = wheels.iter().filter(|wheel| wheel.name.is_none());
                unreadable
                    .filter_map(|wheel| wheel.location(&package).err())
                    .next()
                    .unwrap_or_else(|| ResolutionFault::NoWheelFits {
                        package: package.clone(),
                        wheels: wheels.len(),
                        environment: choice.described.to_owned(),
                    })
            }),
        }
    }
}

impl Artifact {
    /// Its path or URL: `path` has priority over `url`.
    fn location(&self, entry: &str) -> Result<Location, ResolutionFault> {
        match (&self.path, &self.url) {
            (Some(path), _) => Ok(Location::File(path.into())),
            (None, url) => {
                let url = url.as_deref().unwrap_or_default();
                let refuse = |reason| {
                    let (entry, location) = (entry.to_owned(), shown(url));
                    ResolutionFault::Location {
                        entry,
                        location,
                        reason,
                    }
                };
                Location::from_url(url)
                    .map(|(location, _)| location)
                    .map_err(refuse)
            }
        }
    }

    /// The file name: `name` has priority over `path`, and `path` over `url`.
    fn file_name(&self) -> String {
        let of_location = || {
            // The fault is dropped, so its entry may be empty: `locked` reports it if this wheel
            // is chosen.
            self.location("")
                .map(|location| location.file_name())
                .unwrap_or_default()
        };
        self.name.clone().unwrap_or_else(of_location)
    }

    fn locked(&self, package: &Package, is_direct: bool) -> Result<LockedWheel, ResolutionFault> {
        let (entry, file_name) = (package.label(), self.file_name());
        // A name that cannot be read is refused when the wheel is opened.
        if WheelName::parse(&file_name).is_ok_and(|name| !package.is_of(&name)) {
            return Err(ResolutionFault::OtherWheel { entry, file_name });
        }
        let (location, hashes) = (self.location(&entry)?, self.secure_hashes(&entry)?);
        Ok(LockedWheel {
            file_name,
            location,
            size: self.size,
            hashes,
            is_direct,
        })
    }

    /// All secure hashes; there must be at least one.
    fn secure_hashes(&self, entry: &str) -> Result<Vec<Digest>, ResolutionFault> {
        let known = self.hashes.iter().filter_map(|(name, hex)| {
            let algorithm = Algorithm::from_name(&name.to_ascii_lowercase())?;
            let bad = || ResolutionFault::BadHash {
                entry: entry.to_owned(),
                hash: hex.clone(),
            };
            Some(Digest::from_hex(algorithm, hex).ok_or_else(bad))
        });
        let hashes: Vec<Digest> = known.collect::<Result<_, ResolutionFault>>()?;
        if hashes.is_empty() {
            let found = self.hashes.iter().map(|(name, _)| name.clone()).collect();
            return Err(ResolutionFault::NoSecureHash {
                entry: entry.to_owned(),
                found,
            });
        }
        Ok(hashes)
    }
}
