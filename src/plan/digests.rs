//! Wheels whose RECORD was left out, and the decisions that depend on it.
//!
//! The digests in RECORD decide whether two files are equal. Most files meet no other, so most
//! plans can do without a large RECORD; this module finds out which ones cannot.

use foldhash::{HashMap, HashMapExt as _};

use super::spread::crc_of;
use super::{Candidate, Content, WheelId};
use crate::environment::layout::Place;
use crate::wheel::{Digests, Wheel};

/// The wheels whose digests a decision depends on and are not known: one of their files takes the
/// place of another file, or two projects want the same place. Sorted, each once.
pub fn undecided(candidates: &[Candidate], wheels: &[Wheel]) -> Vec<WheelId> {
    let is_unread = |id: WheelId| wheels[id.0 as usize].digests == Digests::NotRead;
    // This spares the map of all places if no RECORD was left out.
    if wheels.iter().all(|wheel| wheel.digests == Digests::Known) {
        return Vec::new();
    }
    let mut wanted: HashMap<&Place, usize> = HashMap::with_capacity(candidates.len());
    for candidate in candidates {
        *wanted.entry(&candidate.file.place).or_default() += 1;
    }
    let meets_another =
        |candidate: &&Candidate| candidate.live.is_some() || wanted[&candidate.file.place] > 1;
    let mut ids: Vec<WheelId> = candidates
        .iter()
        .filter(meets_another)
        .filter_map(|candidate| match candidate.file.content {
            Content::Entry(id, _) if is_unread(id) => Some(id),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Puts the digests of the wheels `ids`, which have been read by now, into their files.
pub fn fill(candidates: &mut [Candidate], ids: &[WheelId], wheels: &[Wheel], verified: bool) {
    for Candidate { file, .. } in candidates {
        let Content::Entry(id, entry) = file.content else {
            continue;
        };
        if !ids.contains(&id) {
            continue;
        }
        let entries = &wheels[id.0 as usize].entries;
        let at = entries
            .binary_search_by_key(&entry, |entry| entry.id)
            .expect("a wheel has the same entries after its RECORD was read");
        file.digest = entries[at].digest;
        file.crc = crc_of(&entries[at], verified);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::digest::Identity;
    use crate::installed::facts::{Live, LiveContent, LiveFile};
    use crate::plan::scenario::{place, wheel};
    use crate::plan::{ChangeId, WantedFile};
    use crate::wheel::EntryId;

    /// A wheel with the files `m/0` to `m/2`, and digests of their paths if they are known.
    fn demo(digests: Digests) -> Wheel {
        let mut wheel = wheel("demo-1.0-py3-none-any.whl", &["m/0", "m/1", "m/2"]);
        if digests == Digests::NotRead {
            wheel.digests = digests;
            for entry in Arc::make_mut(&mut wheel.entries) {
                entry.digest = None;
            }
        }
        wheel
    }

    fn wanted(wheel: u32, entry: u32, path: &str) -> Candidate {
        let file = WantedFile {
            place: place(path),
            recorded: Arc::from(path),
            owner: ChangeId(wheel),
            content: Content::Entry(WheelId(wheel), EntryId(entry)),
            executable: false,
            size: 1,
            digest: None,
            crc: None,
        };
        Candidate {
            file,
            is_elsewhere: false,
            missing_root: place(path),
            live: None,
            blocked: None,
        }
    }

    fn live(mut candidate: Candidate) -> Candidate {
        let content = LiveContent::File(LiveFile {
            size: 1,
            executable: false,
            sums: None,
        });
        let owners = Vec::new();
        candidate.live = Some(Box::new(Live { content, owners }));
        candidate
    }

    #[test]
    fn only_a_file_that_meets_another_one_makes_digests_matter() {
        let wheels = [Digests::NotRead, Digests::NotRead, Digests::Known].map(demo);
        let alone = vec![wanted(0, 0, "a"), wanted(1, 0, "b"), wanted(2, 0, "c")];
        assert_eq!(undecided(&alone, &wheels), []);
        let shared = vec![wanted(0, 0, "a"), wanted(1, 0, "b"), wanted(2, 0, "b")];
        assert_eq!(undecided(&shared, &wheels), [WheelId(1)]);
        let in_the_way = vec![
            wanted(1, 1, "b"),
            live(wanted(0, 0, "a")),
            live(wanted(2, 0, "c")),
        ];
        assert_eq!(undecided(&in_the_way, &wheels), [WheelId(0)]);
        let twice = vec![wanted(1, 0, "b"), wanted(0, 1, "a"), wanted(1, 1, "b")];
        assert_eq!(undecided(&twice, &wheels), [WheelId(1)]);
    }

    #[test]
    fn digests_are_filled_in_for_the_wheels_that_were_read() {
        let wheels = [Digests::Known, Digests::NotRead].map(demo);
        let digest = wheels[0].entries[2].digest;
        for (verified, identity) in [
            (true, digest.map(Identity::Digest)),
            (false, Some(Identity::Crc(2))),
        ] {
            let mut files = vec![wanted(0, 2, "a"), wanted(1, 0, "b")];
            fill(&mut files, &[WheelId(0)], &wheels, verified);
            assert_eq!(files[0].file.digest, digest);
            assert_eq!(files[0].file.identity(), identity);
            assert_eq!(
                (files[1].file.digest, files[1].file.identity()),
                (None, None)
            );
        }
    }
}
