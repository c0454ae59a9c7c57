//! One project of an index: its versions, which of them can be used, and the wheel of each.
//!
//! Input: a [`CondensedPage`], the wheels of directories, or several of both, and what the
//! environment accepts. Output: an [`IndexedProject`]. Invariants: of a version the
//! wheel with the best tags is chosen, of equal ones that with the highest build, then that of the
//! earlier index; a file that is not withdrawn comes before one that is. Limits: only wheels count.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use url::Url;

use super::acceptance::Acceptance;
use crate::digest::Digest;
use crate::resolve::{Candidates, Rejection, VersionState, VersionStates};
use crate::spec::location::Location;
use crate::spec::name::ProjectName;
use crate::spec::simple::{CondensedPage, IndexWheel, MetadataFile, ProjectStatus};
use crate::spec::version::{Specifiers, Version};
use crate::spec::wheel_name::WheelName;

/// A project as the index that owns it has it.
#[derive(Debug, Default)]
pub struct IndexedProject {
    /// Its versions as the solver sees them.
    pub(crate) candidates: Arc<Candidates>,
    /// `None` if nothing knows the project.
    offers: Option<Arc<Offers>>,
    /// What the project says about itself (PEP 792).
    pub(super) status: ProjectStatus,
}

/// A wheel of an index or a directory.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its file name.
    pub file_name: Box<str>,
    /// Where it is.
    pub location: Location,
    /// Its index, as lock files name it; `None` for directories and single files.
    pub index: Option<Arc<str>>,
    /// The digests that the index states.
    pub digests: Box<[Digest]>,
    /// Its length in bytes, if the index states it.
    pub size: Option<u64>,
    /// Whether METADATA is a file of its own.
    pub metadata: MetadataFile,
    /// Why it was withdrawn; `None` if it was not.
    pub yanked: Option<Arc<str>>,
    /// When it was uploaded, as the index writes it.
    pub upload_time: Option<Box<str>>,
    requires_python: Option<Arc<Specifiers>>,
    /// How well it fits: smaller is better; `None` if it cannot be used.
    rank: Option<FitRank>,
}

/// Withdrawn files last, then by tags, then by build; the number and suffix of the build count the
/// other way round.
type FitRank = (bool, usize, Reverse<Option<(u64, String)>>);

impl Offered {
    pub(super) fn of(wheel: IndexWheel, page: &Url) -> Option<Self> {
        let url = wheel.address(page)?;
        Some(Self {
            file_name: wheel.file_name,
            location: Location::Url(url),
            index: None,
            digests: wheel.digests,
            size: wheel.size,
            metadata: wheel.metadata,
            yanked: wheel.yanked.as_deref().map(Arc::from),
            upload_time: wheel.upload_time,
            requires_python: wheel.requires_python,
            rank: None,
        })
    }

    /// A wheel of a directory.
    pub(super) fn local(path: PathBuf, file_name: &str) -> Self {
        Self::direct(Location::File(path), file_name, &[])
    }

    /// A wheel that is named by its address.
    pub(super) fn direct(location: Location, file_name: &str, digests: &[Digest]) -> Self {
        Self {
            file_name: file_name.into(),
            location,
            index: None,
            digests: digests.into(),
            size: None,
            metadata: MetadataFile::Absent,
            yanked: None,
            upload_time: None,
            requires_python: None,
            rank: None,
        }
    }
}

impl IndexedProject {
    /// The project of a page that answered at `at`.
    pub(super) fn of_page(
        project: &ProjectName,
        mut page: CondensedPage,
        at: &Url,
        index: &str,
        accepts: &Arc<Acceptance>,
    ) -> Self {
        let versions = std::mem::take(&mut page.versions);
        let status = std::mem::take(&mut page.status);
        let base = page.base.as_deref().and_then(|base| at.join(base).ok());
        let origin = OfferOrigin::Page {
            base: base.unwrap_or_else(|| at.clone()),
            index: index.into(),
            page,
        };
        Self {
            status,
            ..Self::new(project, versions, origin, accepts)
        }
    }

    /// The project of directories and pages of links, whose wheels are given with their versions.
    pub(super) fn of_wheels(
        project: &ProjectName,
        mut wheels: Vec<(Version, Offered)>,
        accepts: &Arc<Acceptance>,
    ) -> Self {
        wheels.sort_by(|one, other| one.0.cmp(&other.0));
        let (mut versions, mut releases) = (Vec::new(), Vec::new());
        let mut rest = wheels.into_iter().peekable();
        while let Some((version, first)) = rest.next() {
            let mut same = vec![first];
            while let Some((_, next)) = rest.next_if(|(other, _)| *other == version) {
                same.push(next);
            }
            versions.push(version);
            releases.push(same);
        }
        Self::new(project, versions, OfferOrigin::Wheels(releases), accepts)
    }

    /// The versions and wheels of several indexes together, in the order in which they count.
    pub(super) fn merged(
        project: &ProjectName,
        mut parts: Vec<Self>,
        accepts: &Arc<Acceptance>,
    ) -> Self {
        if parts.len() < 2 {
            return parts.pop().unwrap_or_default();
        }
        let mut places: BTreeMap<Version, Vec<(usize, usize)>> = BTreeMap::new();
        for (number, part) in parts.iter().enumerate() {
            for (position, version) in part.candidates.versions().iter().enumerate() {
                let places = places.entry(version.clone()).or_default();
                places.push((number, position));
            }
        }
        let (versions, releases) = places.into_iter().unzip();
        let mut statuses = parts.iter().map(|part| &part.status);
        let status = statuses.find(|status| **status != ProjectStatus::Active);
        let status = status.cloned().unwrap_or_default();
        let offers = |part: Self| part.offers.expect("a part is of a project that is known");
        let parts = parts.into_iter().map(offers).collect();
        let origin = OfferOrigin::Merged { parts, releases };
        Self {
            status,
            ..Self::new(project, versions, origin, accepts)
        }
    }

    fn new(
        project: &ProjectName,
        versions: Vec<Version>,
        origin: OfferOrigin,
        accepts: &Arc<Acceptance>,
    ) -> Self {
        let offers = Arc::new(Offers {
            project: project.clone(),
            accepts: Arc::clone(accepts),
            origin,
            ranked: versions.iter().map(|_| OnceLock::new()).collect(),
        });
        let states = Arc::clone(&offers) as Arc<dyn VersionStates>;
        Self {
            candidates: Arc::new(Candidates::new(versions, states)),
            offers: Some(offers),
            status: ProjectStatus::Active,
        }
    }

    /// Ranks the wheels of so many versions below this one, which are likely to be looked at next.
    pub(super) fn rank_below(&self, version: &Version, count: usize) {
        if let Some(position) = self.candidates.position(version) {
            for below in position.saturating_sub(count)..position {
                self.candidates.state(below);
            }
        }
    }

    /// The wheel of a version that can be used.
    pub(crate) fn best(&self, version: &Version) -> Option<&Offered> {
        let best = self.all(version).first()?;
        best.rank.is_some().then_some(best)
    }

    /// All wheels of a version, the best one first.
    pub fn all(&self, version: &Version) -> &[Offered] {
        match (self.candidates.position(version), &self.offers) {
            (Some(position), Some(offers)) => &offers.release(position).offered,
            _ => &[],
        }
    }
}

/// The wheels of a project. Those of one version are read, and compared with what the environment
/// takes, when somebody asks for them first: of hundreds of versions a resolution needs a few.
struct Offers {
    project: ProjectName,
    accepts: Arc<Acceptance>,
    origin: OfferOrigin,
    /// By the position of the version.
    ranked: Vec<OnceLock<RankedRelease>>,
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Offers").field(&self.project).finish()
    }
}

/// Where wheels come from.
enum OfferOrigin {
    /// A page whose relative links start from `base`.
    Page {
        page: CondensedPage,
        base: Url,
        index: Arc<str>,
    },
    /// The wheels of each version.
    Wheels(Vec<Vec<Offered>>),
    /// Several indexes, and for each version the part that has it and its position there.
    Merged {
        parts: Vec<Arc<Offers>>,
        releases: Vec<Vec<(usize, usize)>>,
    },
}

impl OfferOrigin {
    /// The wheels of the version at this position, not yet ranked.
    fn wheels(&self, position: usize) -> Vec<Offered> {
        match self {
            Self::Page { page, base, index } => {
                let wheels = page.wheels(position).into_iter();
                let offered = wheels.filter_map(|wheel| Offered::of(wheel, base));
                offered
                    .map(|offered| Offered {
                        index: Some(Arc::clone(index)),
                        ..offered
                    })
                    .collect()
            }
            Self::Wheels(releases) => releases[position].clone(),
            Self::Merged { parts, releases } => {
                let mut all: Vec<Offered> = Vec::new();
                for &(part, position) in &releases[position] {
                    let mut wheels = parts[part].origin.wheels(position);
                    // Of one file name the wheel of the earlier index counts.
                    wheels.retain(|wheel| {
                        let mut earlier = all.iter();
                        !earlier.any(|other| other.file_name == wheel.file_name)
                    });
                    all.append(&mut wheels);
                }
                all
            }
        }
    }
}

/// The wheels of one version.
struct RankedRelease {
    /// The best one first.
    offered: Vec<Offered>,
    state: VersionState,
}

impl VersionStates for Offers {
    fn state(&self, position: usize) -> &VersionState {
        &self.release(position).state
    }
}

impl Offers {
    fn release(&self, position: usize) -> &RankedRelease {
        self.ranked[position].get_or_init(|| self.rank(self.origin.wheels(position)))
    }

    fn rank(&self, mut offered: Vec<Offered>) -> RankedRelease {
        let mut rejections: Vec<Rejection> = Vec::new();
        for wheel in &mut offered {
            match rank(&self.project, wheel, &self.accepts) {
                Ok(rank) => wheel.rank = Some(rank),
                Err(rejection) => rejections.push(rejection),
            }
        }
        // Those that cannot be used keep their order behind the others: lock files list them.
        offered.sort_by(|one, other| {
            let key = |wheel: &Offered| (wheel.rank.is_none(), wheel.rank.clone());
            key(one).cmp(&key(other))
        });
        let best = offered.first().filter(|wheel| wheel.rank.is_some());
        let state = VersionState {
            rejection: match best {
                Some(_) => None,
                // What is nearest to a wheel that fits says most.
                None => Some(
                    (rejections.into_iter().min_by_key(nearness)).unwrap_or(Rejection::NoWheel),
                ),
            },
            yanked: best.and_then(|wheel| wheel.yanked.clone()),
        };
        RankedRelease { offered, state }
    }
}

/// How near a wheel came to being usable; less is nearer.
fn nearness(rejection: &Rejection) -> u8 {
    match rejection {
        Rejection::Hash(_) => 0,
        Rejection::TooNew => 1,
        Rejection::Python(_) => 2,
        Rejection::Tags => 3,
        Rejection::NoWheel => 4,
    }
}

/// How well a wheel fits, or why it cannot be used.
fn rank(
    project: &ProjectName,
    wheel: &Offered,
    accepts: &Acceptance,
) -> Result<FitRank, Rejection> {
    // A name that cannot be read has no tags that fit.
    let name = WheelName::parse(&wheel.file_name).map_err(|_| Rejection::Tags)?;
    let tags = accepts.tags.best(&name.tags).ok_or(Rejection::Tags)?;
    if let Some(python) = &wheel.requires_python
        && !python.contains(&accepts.python)
    {
        return Err(Rejection::Python(python.as_ref().clone()));
    }
    if !accepts.is_old_enough(wheel.upload_time.as_deref()) {
        return Err(Rejection::TooNew);
    }
    accepts
        .check_hash(project, (&wheel.file_name, &wheel.digests))
        .map_err(|other| Rejection::Hash(Box::new(other)))?;
    let build = name.build.map(|build| (build.number, build.suffix));
    Ok((wheel.yanked.is_some(), tags, Reverse(build)))
}
