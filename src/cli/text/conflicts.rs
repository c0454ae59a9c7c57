//! Conflicts for people: short enough for 80 columns, with sizes. Digests are shown with `-v`.

use pkg_install::error::{Clash, ClashSide, escaped};
use pkg_install::results::PathConflict;

use super::units::size;

/// How many paths are listed without `-v`.
const SHOWN: usize = 10;
/// The width of the column of paths; a longer path pushes its sizes to the right.
const PATH_COLUMNS: usize = 44;
const INDENT: &str = "         ";

/// The paths of the conflicts that stopped a command, one a line.
pub fn refused(clashes: &[Clash], verbose: bool) -> String {
    let shown = if verbose { usize::MAX } else { SHOWN };
    let width = clashes
        .iter()
        .take(shown)
        .map(|clash| clash.path.chars().count())
        .max();
    let width = width.unwrap_or_default().min(PATH_COLUMNS);
    let mut text = String::new();
    for clash in clashes.iter().take(shown) {
        let path = escaped(&clash.path);
        text += &format!("{INDENT}{path:width$}  {}\n", sides(clash));
        if verbose {
            let line = |side: &ClashSide| {
                let (owner, content) = (escaped(&side.owner), escaped(&side.content));
                format!("{INDENT}  {owner}: {content}\n")
            };
            text.extend(clash.owners.iter().map(line));
        }
    }
    if clashes.len() > shown {
        let more = clashes.len() - shown;
        text += &format!("{INDENT}…and {more} more (`-v` lists all)\n");
    }
    text
}

/// What the owners have at the path: the sizes in their order, or what each has if not all of them
/// are files.
fn sides(clash: &Clash) -> String {
    let sizes: Option<Vec<String>> = clash
        .owners
        .iter()
        .map(|side| side.size.map(size))
        .collect();
    match sizes {
        Some(sizes) => sizes.join(" / "),
        None => {
            let side = |side: &ClashSide| format!("{} has {}", side.owner, side.content);
            let sides: Vec<String> = clash.owners.iter().map(side).collect();
            escaped(&sides.join(", "))
        }
    }
}

/// The conflicts that an option resolved, one a line.
pub fn resolved(conflicts: &[PathConflict], verbose: bool) -> String {
    let shown = if verbose { usize::MAX } else { SHOWN };
    let line = |conflict: &PathConflict| {
        format!(
            "   {} of {}: {} wins\n",
            escaped(&conflict.path),
            escaped(&conflict.owners.join(", ")),
            escaped(&conflict.resolution)
        )
    };
    let mut text: String = conflicts.iter().take(shown).map(line).collect();
    if conflicts.len() > shown {
        let more = conflicts.len() - shown;
        text += &format!("   …and {more} more paths with two owners (`-v` lists all)\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clash(path: &str, sizes: [u64; 2]) -> Clash {
        let side = |(owner, size): (&str, u64)| ClashSide {
            owner: owner.to_owned(),
            content: format!("sha256={}", "x".repeat(43)),
            size: Some(size),
        };
        let owners = ["opencv-python", "opencv-contrib-python"]
            .into_iter()
            .zip(sizes);
        Clash {
            path: path.to_owned(),
            owners: owners.map(side).collect(),
            is_settleable: true,
        }
    }

    #[test]
    fn a_conflict_fits_into_80_columns_and_shows_sizes() {
        let mut clashes = vec![clash("cv2/cv2.abi3.so", [74_200_000, 93_100_000])];
        clashes.extend((0..11).map(|number| clash(&format!("cv2/{number}.py"), [1200, 1300])));
        let text = refused(&clashes, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "         cv2/cv2.abi3.so  74.2 MB / 93.1 MB");
        assert_eq!(lines[1], "         cv2/0.py         1.20 kB / 1.30 kB");
        assert_eq!(lines[10], "         …and 2 more (`-v` lists all)");
        assert!(lines.iter().all(|line| line.chars().count() < 80), "{text}");
        let text = refused(&clashes, true);
        assert_eq!(text.lines().count(), 36);
        assert!(text.contains("opencv-python: sha256="), "{text}");
    }
}
