//! The sentence of each failure: lower case, no full stop, backticks around names.

use std::fmt;

use super::escape::{SHOWN, escaped, excerpt, shown};
use super::size::size;
use super::{Clash, Detail, Error, Fault, UNOWNED};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.detail {
            Detail::Io {
                operation,
                path,
                other: None,
                source,
            } => write!(f, "cannot {operation} `{}`: {source}", shown(path)),
            Detail::Io {
                operation,
                path,
                other: Some(other),
                source,
            } => write!(
                f,
                "cannot {operation} `{}` to `{}`: {source}",
                shown(path),
                shown(other)
            ),
            Detail::Wheels(wheels) => write_wheels(f, wheels),
            Detail::NoSolution(proof) => proof.fmt(f),
            Detail::Conflicts(clashes) => write_clashes(f, clashes),
            Detail::TwoVersions { name, sources } => {
                write!(f, "`{name}` is given more than once: {}", list(sources))
            }
            Detail::NoEnvironment { tried } if tried.is_empty() => {
                f.write_str("no environment was named")
            }
            Detail::NoEnvironment { tried } => {
                let tried: Vec<_> = tried
                    .iter()
                    .map(|path| format!("`{}`", shown(path)))
                    .collect();
                write!(
                    f,
                    "no environment was named, and none exists at {}",
                    tried.join(" or ")
                )
            }
            Detail::BadEnvironment { path, reason } => {
                write!(f, "`{}` cannot be used: {}", shown(path), escaped(reason))
            }
            Detail::Interpreter { path, reason } => write!(
                f,
                "cannot run the interpreter `{}`: {}",
                shown(path),
                escaped(reason)
            ),
            Detail::NoInterpreter => f.write_str("there is no Python interpreter on the path"),
            Detail::ExternallyManaged { path, message } => {
                let lines: Vec<_> = message.lines().map(escaped).collect();
                write!(
                    f,
                    "`{}` is managed by another package manager: {}",
                    shown(path),
                    lines.join("\n")
                )
            }
            Detail::Locked { path, seconds } => write!(
                f,
                "another process held `{}` for more than {seconds} s",
                shown(path)
            ),
            Detail::LockFailed { path, source } if super::has_no_locks(source) => write!(
                f,
                "cannot lock `{}`: its file system has no file locks: {source}",
                shown(path)
            ),
            Detail::LockFailed { path, source } => {
                write!(f, "cannot lock `{}`: {source}", shown(path))
            }
            Detail::NotReplaceable {
                name,
                reason,
                installer,
            } => {
                write!(
                    f,
                    "the installed `{name}` cannot be replaced or removed: {}",
                    escaped(reason)
                )?;
                installer.as_ref().map_or(Ok(()), |tool| {
                    write!(f, "; it was installed by `{}`", excerpt(tool))
                })
            }
            Detail::NotInstalled(names) | Detail::NotListed(names) => {
                write!(f, "not installed: {}", list(names))
            }
            Detail::NoOwner(paths) => write!(f, "no project owns {}", list(paths)),
            Detail::LeadsOutside { path, target } => write!(
                f,
                "`{}` is a symbolic link that leads out of the environment, to `{}`",
                shown(path),
                shown(target)
            ),
            Detail::ForeignEnvironment { root, part, reason } => write!(
                f,
                "the environment `{}` was not named, and `{}` {}",
                shown(root),
                shown(part),
                escaped(reason)
            ),
            Detail::ForeignState { path, reason } => write!(
                f,
                "the state of a transaction in `{}` is not obeyed: {}",
                shown(path),
                escaped(reason)
            ),
            Detail::Journal { path, reason } => write!(
                f,
                "the journal `{}` cannot be used: {}",
                shown(path),
                escaped(reason)
            ),
            Detail::NothingToUndo { path } => {
                write!(f, "there is nothing to undo in `{}`", shown(path))
            }
            Detail::CannotUndo { path, reason } => write!(
                f,
                "the last transaction in `{}` cannot be undone: {}",
                shown(path),
                escaped(reason)
            ),
            Detail::CannotGoBack {
                path,
                number,
                reason,
            } => write!(
                f,
                "`{}` cannot become what it was {} {}: {}",
                shown(path),
                if *number == 0 { "before" } else { "after" },
                format_args!("transaction {}", (*number).max(1)),
                escaped(reason)
            ),
            Detail::NoSpace {
                path,
                needed,
                available,
            } => write!(
                f,
                "`{}` has {} free, but {} are needed",
                shown(path),
                size(*available),
                size(*needed)
            ),
            Detail::Differences { count: 1 } => f.write_str("1 file differs from its RECORD"),
            Detail::UnmetRequirements { count: 1 } => f.write_str("1 requirement is not met"),
            Detail::UnmetRequirements { count } => write!(f, "{count} requirements are not met"),
            Detail::Differences { count } => write!(f, "{count} files differ from their RECORD"),
            Detail::Network { label, reason, .. } => {
                write!(f, "cannot fetch `{}`: {}", excerpt(label), escaped(reason))
            }
            Detail::DamagedCache { path, count } => {
                let wheels = if *count == 1 { "wheel" } else { "wheels" };
                let path = escaped(&path.display().to_string());
                write!(f, "{count} damaged {wheels} in the cache `{path}`")
            }
            Detail::Cache(error) => write!(f, "cannot use the cache: {error}"),
            Detail::Offline(labels) => {
                write!(
                    f,
                    "not in the cache, and downloads are forbidden: {}",
                    list(labels)
                )
            }
            Detail::Usage(message) | Detail::Request { message, .. } => {
                f.write_str(&escaped(message))
            }
            Detail::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Names that come from users and files, in backticks and escaped.
fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names
        .iter()
        .map(|name| format!("`{}`", excerpt(name)))
        .collect();
    quoted.join(", ")
}

fn write_wheels(f: &mut fmt::Formatter<'_>, wheels: &[(String, Vec<Fault>)]) -> fmt::Result {
    let total: usize = wheels.iter().map(|(_, faults)| faults.len()).sum();
    if let [(wheel, faults)] = wheels
        && let [fault] = faults.as_slice()
    {
        return write!(f, "`{}`: {fault}", excerpt(wheel));
    }
    match wheels {
        [(wheel, _)] => write!(f, "`{}` has {total} faults", excerpt(wheel))?,
        _ => write!(f, "{} wheels are refused", wheels.len())?,
    }
    let all = wheels
        .iter()
        .flat_map(|(wheel, faults)| faults.iter().map(move |fault| (wheel, fault)));
    for (wheel, fault) in all.take(SHOWN) {
        match wheels {
            [_] => write!(f, "\n  {fault}")?,
            _ => write!(f, "\n  `{}`: {fault}", excerpt(wheel))?,
        }
    }
    write_rest(f, total)
}

/// One sentence for each set of owners.
pub(super) fn clash_sentence(clashes: &[Clash]) -> String {
    let mut groups: Vec<(Vec<&str>, bool, usize)> = Vec::new();
    for clash in clashes {
        let owners: Vec<&str> = clash.owners.iter().map(|side| &*side.owner).collect();
        let known = groups
            .iter_mut()
            .find(|(names, settleable, _)| *names == owners && *settleable == clash.is_settleable);
        match known {
            Some((_, _, count)) => *count += 1,
            None => groups.push((owners, clash.is_settleable, 1)),
        }
    }
    let sentences = groups.iter().map(|(owners, settleable, count)| {
        let files = match (settleable, count) {
            (true, 1) => "1 file".to_owned(),
            (true, count) => format!("{count} files"),
            (false, 1) => "1 path".to_owned(),
            (false, count) => format!("{count} paths"),
        };
        let projects: Vec<&str> = owners
            .iter()
            .copied()
            .filter(|name| *name != UNOWNED)
            .collect();
        if projects.len() < owners.len() {
            let provide = if projects.len() == 1 {
                "provides"
            } else {
                "provide"
            };
            let (exist, belong) = match count {
                1 => ("exists", "belongs"),
                _ => ("exist", "belong"),
            };
            let other = if *settleable {
                " with different contents"
            } else {
                ""
            };
            return format!(
                "{} {provide} {files} that {exist} already{other} and {belong} to no project",
                projects.join(" and ")
            );
        }
        let both = if owners.len() == 2 { "both" } else { "all" };
        let what = match settleable {
            true => format!("{files} with different contents"),
            false => format!("{files} that cannot be shared"),
        };
        format!("{} {both} provide {what}", projects.join(" and "))
    });
    escaped(&sentences.collect::<Vec<_>>().join("; "))
}

/// The sentence, and then the first paths.
fn write_clashes(f: &mut fmt::Formatter<'_>, clashes: &[Clash]) -> fmt::Result {
    f.write_str(&clash_sentence(clashes))?;
    for clash in clashes.iter().take(SHOWN) {
        write!(f, "\n  `{}`", escaped(&clash.path))?;
        // A digest tells people nothing; a link or a directory does.
        if clash.owners.iter().any(|side| side.size.is_none()) {
            let owners: Vec<_> = clash
                .owners
                .iter()
                .map(|side| format!("{} has {}", side.owner, side.content))
                .collect();
            write!(f, ": {}", escaped(&owners.join(", ")))?;
        }
    }
    write_rest(f, clashes.len())
}

/// Says how many of `total` items were not listed.
fn write_rest(f: &mut fmt::Formatter<'_>, total: usize) -> fmt::Result {
    match total.checked_sub(SHOWN) {
        Some(rest @ 1..) => write!(f, "\n  … and {rest} more"),
        _ => Ok(()),
    }
}
