//! What the environment and the command accept of an index; plain data.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::spec::name::ProjectName;
use crate::spec::tags::TagSet;
use crate::spec::timestamp::Timestamp;
use crate::spec::version::Version;

/// What a wheel has to be in order to be used.
#[derive(Debug)]
pub struct Acceptance {
    /// The tags of the environment.
    pub tags: TagSet,
    /// The version of its interpreter.
    pub python: Version,
    /// Only files that were uploaded before this time.
    pub before: Option<Timestamp>,
    /// The digests that the wheels of a project may have: one of each of these lists.
    pub hashes: BTreeMap<ProjectName, Vec<Digest>>,
}

impl Acceptance {
    /// Whether a file was uploaded before the limit. If the index does not state when, it is
    /// refused: it might be newer.
    pub(super) fn is_old_enough(&self, uploaded: Option<&str>) -> bool {
        let Some(before) = self.before else {
            return true;
        };
        let uploaded = uploaded.and_then(Timestamp::parse);
        uploaded.is_some_and(|uploaded| uploaded < before)
    }

    /// Whether a file with these digests may be used. Without a digest of the same algorithm
    /// nothing is known yet; the download checks it.
    pub(super) fn has_allowed_hash(&self, project: &ProjectName, digests: &[Digest]) -> bool {
        let Some(allowed) = self.hashes.get(project) else {
            return true;
        };
        let comparable = |digest: &&Digest| {
            let algorithm = digest.algorithm();
            Digest::among(digests, algorithm).is_some()
        };
        let mut compared = allowed.iter().filter(comparable).peekable();
        compared.peek().is_none() || compared.any(|digest| digests.contains(digest))
    }
}
