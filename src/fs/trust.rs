//! Trust: whether anybody but this user and root could have made or changed a file or directory.
//!
//! Input: metadata, or an open directory. Output: the reason for distrust, or none. The rules are
//! those of ssh, sudo and git, which face the same question:
//!
//! - It belongs to this user or to root.
//! - Not every user may write to it. A directory with the sticky bit is an exception only on the
//!   way to something that is itself trusted, since no other user can replace that.
//! - Its group may write to it only if the group is root's (as sudo allows), or has no members but
//!   this user and root (as ssh on Debian allows for the private group of a user).
//!
//! Limits: `/etc/passwd` and `/etc/group` are asked for members, other directories of users are
//! not; a group that is not listed there counts as one of others. An access list that lets others
//! write shows in the bits of the group, so it is covered.

use std::fmt;
use std::path::Path;

use super::Dir;
use super::read::read_to_limit;
use super::stat::{Stat, effective_user};
use crate::error::Result;

/// The user that may act for everybody.
const ROOT: u32 = 0;
/// The group of that user.
const ROOT_GROUP: u32 = 0;
/// The largest list of users or groups that is read, in bytes.
const MAX_LIST: u64 = 1 << 22;

/// The permission bits that let a group write, others write, and only owners remove names.
const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The reason why a file or directory is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// It belongs to this user, who is neither the present one nor root.
    Owner(u32),
    /// The members of this group may write to it.
    Group(u32),
    /// Every user may write to it.
    Everyone,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(user) => write!(f, "belongs to user {user}"),
            Self::Group(group) => write!(f, "may be written by the members of group {group}"),
            Self::Everyone => write!(f, "may be written by every user"),
        }
    }
}

/// Why a file or directory is not trusted; `None` if it is.
pub fn distrust(stat: &Stat) -> Option<Distrust> {
    distrust_owner(stat).or_else(|| distrust_writers(stat, &shares_group))
}

/// Why the owner of a file or directory is not trusted. For a symbolic link that is all, because
/// each of them has all permissions.
pub fn distrust_owner(stat: &Stat) -> Option<Distrust> {
    let is_trusted = stat.uid == effective_user() || stat.uid == ROOT;
    (!is_trusted).then_some(Distrust::Owner(stat.uid))
}

/// Why a file or directory is not trusted if the members of its group are, as git trusts them: what
/// another user puts into a directory belongs to that user, which is asked separately.
pub fn distrust_outside_group(stat: &Stat) -> Option<Distrust> {
    distrust_owner(stat).or_else(|| distrust_writers(stat, &|_| false))
}

/// Why those that may write are not trusted. `shares` says whether a group has other members; it is
/// only asked if the answer counts, because it reads files.
fn distrust_writers(stat: &Stat, shares: &dyn Fn(u32) -> bool) -> Option<Distrust> {
    if stat.mode & OTHER_WRITE != 0 {
        return Some(Distrust::Everyone);
    }
    let by_group = stat.mode & GROUP_WRITE != 0 && stat.gid != ROOT_GROUP;
    (by_group && shares(stat.gid)).then_some(Distrust::Group(stat.gid))
}

/// Whether a group has members other than this user and root, as far as is known.
fn shares_group(group: u32) -> bool {
    let list = |path: &str| {
        let bytes = read_to_limit(Path::new(path), MAX_LIST).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    match (list("/etc/passwd"), list("/etc/group")) {
        (Some(users), Some(groups)) => has_others(&users, &groups, group, effective_user()),
        // Nothing is known of the group, so others may be in it.
        _ => true,
    }
}

/// Whether the lists name a member of `group` other than `user` and root. Lines are
/// `name:password:user:group:…` and `name:password:group:member,member`.
fn has_others(users: &str, groups: &str, group: u32, user: u32) -> bool {
    let parsed = |text: Option<&&str>| text.and_then(|text| text.parse::<u32>().ok());
    let mut own_names = Vec::new();
    for line in users.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let (id, primary) = (parsed(fields.get(2)), parsed(fields.get(3)));
        let is_own = id == Some(user) || id == Some(ROOT);
        if is_own {
            own_names.extend(fields.first().copied());
        } else if primary == Some(group) {
            return true;
        }
    }
    let mut is_listed = false;
    for line in groups.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if parsed(fields.get(2)) != Some(group) {
            continue;
        }
        is_listed = true;
        let members = fields.get(3).copied().unwrap_or_default();
        let mut members = members
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        if members.any(|name| !own_names.contains(&name)) {
            return true;
        }
    }
    !is_listed
}

impl Dir {
    /// Why others could have put files into this directory; `None` if only this user and root
    /// could.
    ///
    /// Some file systems keep no owners or permissions: they show the same ones for every file, and
    /// NFS may show another user for root. So before a directory is distrusted, a file is made in
    /// it: if that one looks the same, looks mean nothing there.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn distrust(&self) -> Result<Option<Distrust>> {
        let own = self.own_stat()?;
        let Some(distrust) = distrust(&own) else {
            return Ok(None);
        };
        Ok(match self.probe() {
            Some(made) if looks_alike(&own, &made) => None,
            _ => Some(distrust),
        })
    }

    /// The first directory on the way from this one to `below` that others could have changed or
    /// replaced, as its path below this one; both ends are included. `None` if all are trusted.
    ///
    /// # Errors
    /// A component that is no directory or cannot be opened.
    pub fn distrust_way(&self, below: &str) -> Result<Option<(String, Distrust)>> {
        let (next, rest) = below.split_once('/').unwrap_or((below, ""));
        let stat = self.own_stat()?;
        // In a sticky directory only its owner, who is checked as well, can replace what belongs to
        // others, and the next component is checked in turn.
        let is_sticky = stat.mode & STICKY != 0 && distrust_owner(&stat).is_none();
        let is_last = next.is_empty();
        if (is_last || !is_sticky)
            && let Some(distrust) = self.distrust()?
        {
            return Ok(Some((String::new(), distrust)));
        }
        if is_last {
            return Ok(None);
        }
        let Some(inner) = self.open_below(next)? else {
            return Ok(None);
        };
        let found = inner.distrust_way(rest)?;
        Ok(found.map(|(below, distrust)| {
            (
                format!("{next}/{below}").trim_end_matches('/').to_owned(),
                distrust,
            )
        }))
    }

    /// The metadata of a file that is made here for a moment, for this user alone; `None` if that
    /// is not possible. The open file is asked, so that it cannot be exchanged.
    fn probe(&self) -> Option<Stat> {
        let name = format!(".pkg-install-probe-{}", std::process::id());
        let made = self.make_own_file(&name).ok();
        // A file that stays behind is empty, and nothing looks at it.
        let _ = self.remove_file(&name);
        made
    }
}

/// Why a file in a trusted directory is not trusted; `None` if it is, or if its file system shows
/// the same owner and writers for both.
pub fn distrust_in(file: &Stat, directory: &Stat) -> Option<Distrust> {
    distrust(file).filter(|_| !looks_alike(file, directory))
}

/// Whether a distrusted file or directory has only those owners and writers that its file
/// system shows for `known` as well, which is known to be this user's.
fn looks_alike(found: &Stat, known: &Stat) -> bool {
    let owner = found.uid == known.uid || distrust_owner(found).is_none();
    let extra = Stat {
        mode: found.mode & !known.mode & (GROUP_WRITE | OTHER_WRITE),
        ..*found
    };
    owner && distrust_writers(&extra, &shares_group).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Kind;

    fn stat(uid: u32, gid: u32, mode: u32) -> Stat {
        Stat {
            kind: Kind::Directory,
            mode,
            size: 0,
            device: 1,
            inode: 2,
            uid,
            gid,
            modified: (0, 0),
            changed: (0, 0),
            links: 1,
        }
    }

    #[test]
    fn only_this_user_and_root_are_trusted() {
        let me = effective_user();
        let other = me + 1;
        assert_eq!(distrust(&stat(me, other, 0o755)), None);
        assert_eq!(distrust(&stat(ROOT, other, 0o755)), None);
        assert_eq!(
            distrust(&stat(other, other, 0o755)),
            Some(Distrust::Owner(other))
        );
        for mode in [0o777, 0o1777, 0o757] {
            assert_eq!(distrust(&stat(me, 0, mode)), Some(Distrust::Everyone));
        }
    }

    #[test]
    fn a_group_is_trusted_if_it_is_roots_or_has_no_other_members() {
        let me = effective_user();
        let writers = |gid, shared| distrust_writers(&stat(me, gid, 0o775), &|_| shared);
        assert_eq!(writers(ROOT_GROUP, true), None);
        assert_eq!(writers(7, false), None);
        assert_eq!(writers(7, true), Some(Distrust::Group(7)));
        assert_eq!(distrust_writers(&stat(me, 7, 0o755), &|_| true), None);
    }

    #[test]
    fn members_are_those_of_both_lists() {
        let users = "root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:\nyou:x:1001:100::/:\n";
        let groups = "root:x:0:\nme:x:1000:\nstaff:x:50:\nusers:x:100:\ndev:x:200:me,you\n\
                      ours:x:300:me,root\nbroken\n";
        let others = |group| has_others(users, groups, group, 1000);
        for own in [1000, 50, 300] {
            assert!(!others(own), "{own}");
        }
        // The primary group of another user, a group with another member, and an unknown one.
        for shared in [100, 200, 4711] {
            assert!(others(shared), "{shared}");
        }
    }

    #[test]
    fn looks_mean_nothing_if_a_new_file_looks_the_same() {
        let me = effective_user();
        let (mapped, other) = (me + 1, me + 2);
        // Every file belongs to one user, and everybody may write to it.
        let made = stat(mapped, 0, 0o777);
        assert!(looks_alike(&stat(mapped, 0, 0o777), &made));
        assert!(!looks_alike(&stat(other, 0, 0o777), &made));
        // A file system that keeps both.
        let made = stat(me, 0, 0o600);
        assert!(!looks_alike(&stat(other, 0, 0o755), &made));
        assert!(!looks_alike(&stat(me, 0, 0o777), &made));
    }

    #[test]
    fn the_first_directory_on_a_way_that_others_can_change_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().expect("there is room");
        std::fs::create_dir_all(scratch.path().join("a/b/c")).expect("made");
        let dir = Dir::open(&crate::fs::Fs::default(), scratch.path()).expect("opened");
        assert_eq!(dir.distrust_way("a/b/c").expect("looked at"), None);
        assert_eq!(dir.distrust_way("").expect("looked at"), None);
        let chmod = |path: &str, mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(scratch.path().join(path), mode).expect("changed");
        };
        chmod("a/b", 0o777);
        let found = Some(("a/b".to_owned(), Distrust::Everyone));
        assert_eq!(dir.distrust_way("a/b/c").expect("looked at"), found);
        // Nobody else can replace what is trusted in a sticky directory.
        chmod("a/b", 0o1777);
        assert_eq!(dir.distrust_way("a/b/c").expect("looked at"), None);
        chmod("a/b/c", 0o1777);
        let found = dir.distrust_way("a/b/c").expect("looked at");
        assert_eq!(found, Some(("a/b/c".to_owned(), Distrust::Everyone)));
        assert_eq!(
            std::fs::read_dir(scratch.path().join("a/b"))
                .expect("listed")
                .count(),
            1
        );
    }
}
