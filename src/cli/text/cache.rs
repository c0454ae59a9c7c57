//! The results of `cache` as text.

use pkg_install::command::{CacheAction, CacheOutcome};
use pkg_install::error::escaped;

use super::super::cache::CacheRequest;
use super::units::{counted, size};

/// The result as text.
pub fn text(outcome: &CacheOutcome, request: &CacheRequest, verbose: bool) -> String {
    let directory = outcome.directory.as_ref().map(|path| path.display());
    let mut lines = Vec::new();
    match &request.action {
        CacheAction::Directory => lines.extend(directory.map(|path| path.to_string())),
        CacheAction::Size => {
            let (mut items, mut total) = (0, 0);
            for (part, count, bytes) in &outcome.parts {
                lines.push(row(part.name(), *count, *bytes));
                items += count;
                total += bytes;
            }
            lines.push(row("total", items, total));
            if outcome.linked > 0 {
                let linked = size(outcome.linked);
                lines.push(format!("of that, {linked} are shared with environments"));
            }
        }
        CacheAction::Verify { repair } => {
            for path in &outcome.damaged {
                let what = if *repair && !request.dry_run {
                    "damaged, removed"
                } else {
                    "damaged"
                };
                lines.push(format!("{what}: {path}"));
            }
            let wheels: u64 = outcome.parts.iter().take(2).map(|part| part.1).sum();
            let checked = usize::try_from(wheels).unwrap_or(usize::MAX) + outcome.removed.len();
            let damaged = outcome.damaged.len();
            lines.push(format!(
                "checked {}: {damaged} damaged",
                counted(checked, "wheel")
            ));
        }
        CacheAction::Prune { .. } | CacheAction::Clean { .. } => {
            if verbose || request.dry_run {
                let paths = outcome.removed.iter();
                lines.extend(paths.map(|(path, bytes)| format!(" - {path} ({})", size(*bytes))));
            }
            for path in &outcome.in_use {
                lines.push(format!("in use, kept: {path}"));
            }
            let freed = outcome.removed.iter().map(|removed| removed.1).sum();
            let verb = if request.dry_run {
                "would remove"
            } else {
                "removed"
            };
            let count = counted(outcome.removed.len(), "file");
            lines.push(format!("{verb} {count}, {}", size(freed)));
        }
    }
    // File names may hold control characters, which a terminal would obey.
    let lines = lines.iter().map(|line| format!("{}\n", escaped(line)));
    lines.collect()
}

fn row(name: &str, count: u64, bytes: u64) -> String {
    format!("{name:<12} {count:>8} {:>10}", size(bytes))
}
