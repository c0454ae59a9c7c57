//! The sentence of each failure: lower case, no full stop, backticks around names.

use std::fmt;

use super::escape::{escaped, quoted, shown};
use super::{Clash, Detail, Error, Fault};

/// How many faults or conflicts a message lists; programs get all of them as data.
const SHOWN: usize = 10;

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
                    "no environment was named, and there is none at {}",
                    tried.join(" or ")
                )
            }
            Detail::BadEnvironment { path, reason } => {
                write!(f, "`{}` cannot be used: {}", shown(path), escaped(reason))
            }
            Detail::Interpreter { path, reason } => write!(
                f,
                "the interpreter `{}` does not answer: {}",
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
                    write!(f, "; it was installed by `{}`", escaped(tool))
                })
            }
            Detail::NotInstalled(names) => write!(f, "not installed: {}", list(names)),
            Detail::LeadsOutside { path, target } => write!(
                f,
                "`{}` is a symbolic link out of the environment, to `{}`",
                shown(path),
                shown(target)
            ),
            Detail::Journal { path, reason } => write!(
                f,
                "the journal `{}` cannot be used: {}",
                shown(path),
                escaped(reason)
            ),
            Detail::NothingToUndo { path } => write!(
                f,
                "nothing can be undone in `{}`: the last transaction was not kept for it",
                shown(path)
            ),
            Detail::CannotUndo { path, reason } => write!(
                f,
                "nothing can be undone in `{}`: {}",
                shown(path),
                escaped(reason)
            ),
            Detail::NoSpace {
                path,
                needed,
                available,
            } => write!(
                f,
                "`{}` has {available} bytes free, {needed} are needed",
                shown(path)
            ),
            Detail::Differences { count: 1 } => f.write_str("1 file differs from its RECORD"),
            Detail::Differences { count } => write!(f, "{count} files differ from their RECORD"),
            Detail::Network { label, reason, .. } => {
                write!(f, "cannot fetch `{}`: {}", escaped(label), escaped(reason))
            }
            Detail::Cache(error) => write!(f, "cannot use the cache: {error}"),
            Detail::Offline(labels) => {
                write!(
                    f,
                    "not in the cache, and nothing may be fetched: {}",
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
    escaped(&quoted(names))
}

fn write_wheels(f: &mut fmt::Formatter<'_>, wheels: &[(String, Vec<Fault>)]) -> fmt::Result {
    let total: usize = wheels.iter().map(|(_, faults)| faults.len()).sum();
    if let [(wheel, faults)] = wheels
        && let [fault] = faults.as_slice()
    {
        return write!(f, "`{}`: {fault}", escaped(wheel));
    }
    match wheels {
        [(wheel, _)] => write!(f, "`{}` has {total} faults", escaped(wheel))?,
        _ => write!(f, "{} wheels are refused", wheels.len())?,
    }
    let all = wheels
        .iter()
        .flat_map(|(wheel, faults)| faults.iter().map(move |fault| (wheel, fault)));
    for (wheel, fault) in all.take(SHOWN) {
        match wheels {
            [_] => write!(f, "\n  {fault}")?,
            _ => write!(f, "\n  `{}`: {fault}", escaped(wheel))?,
        }
    }
    write_rest(f, total)
}

fn write_clashes(f: &mut fmt::Formatter<'_>, clashes: &[Clash]) -> fmt::Result {
    match clashes.len() {
        1 => f.write_str("1 path has owners whose contents differ")?,
        count => write!(f, "{count} paths have owners whose contents differ")?,
    }
    for clash in clashes.iter().take(SHOWN) {
        let owners: Vec<_> = clash
            .owners
            .iter()
            .map(|(owner, what)| format!("{owner} has {what}"))
            .collect();
        write!(
            f,
            "\n  `{}`: {}",
            escaped(&clash.path),
            escaped(&owners.join(", "))
        )?;
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
