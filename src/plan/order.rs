//! The order in which candidates are compared: by place.

use std::ops::Range;

use super::Candidate;

/// The indices of the candidates by place; those for one place keep their order. Only indices are
/// sorted, because candidates are large.
pub(super) fn sorted(wanted: &[Candidate]) -> Vec<usize> {
    // The files of a project come sorted, and those below one missing directory follow each other.
    // As soon as these runs are in order, nearly everything is.
    let mut end = 0;
    let runs = wanted.chunk_by(|one, other| one.missing_root == other.missing_root);
    let mut runs: Vec<Range<usize>> = runs
        .map(|run| {
            let begin = end;
            end += run.len();
            begin..end
        })
        .collect();
    runs.sort_by(|one, other| {
        let root = |run: &Range<usize>| &wanted[run.start].missing_root;
        root(one).cmp(root(other))
    });
    let mut order: Vec<usize> = runs.into_iter().flatten().collect();
    // Takes one comparison for each file if they are in order already.
    order.sort_by(|&one, &other| wanted[one].file.place.cmp(&wanted[other].file.place));
    order
}
