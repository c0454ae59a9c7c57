//! What the environment and the command accept of an index; plain data.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::resolve::OtherHash;
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

    /// Refuses a file whose digests are none of those that it may have. Without a digest of the
    /// same algorithm nothing is known yet; the download checks it.
    pub(super) fn check_hash(
        &self,
        project: &ProjectName,
        (file_name, digests): (&str, &[Digest]),
    ) -> Result<(), OtherHash> {
        let allowed = self.hashes.get(project).into_iter().flatten();
        let compared = allowed.filter_map(|allowed| {
            let actual = Digest::among(digests, allowed.algorithm())?;
            Some((*allowed, actual))
        });
        let (required, actual): (Vec<Digest>, Vec<Digest>) = compared.unzip();
        match actual.first() {
            Some(actual) if !required.iter().any(|digest| digests.contains(digest)) => {
                Err(OtherHash {
                    file_name: file_name.to_owned(),
                    actual: *actual,
                    required,
                })
            }
            _ => Ok(()),
        }
    }
}
