//! Adds files to those that conflicts were resolved for.
//!
//! Input: more files, sorted by place. Output: all files in order of their places, and everything
//! that refers to a file by its index corrected.

use super::conflict::{Resolved, ResolvedFile};
use super::{Content, RowFile};

impl Resolved {
    /// Inserts `added`, which are sorted and take places that no other file takes. Sources of
    /// bytecode are counted without them. Returns their indices.
    pub fn insert(&mut self, added: Vec<ResolvedFile>) -> Vec<u32> {
        let files = std::mem::take(&mut self.files);
        let positions: Vec<usize> = added
            .iter()
            .map(|new| files.partition_point(|file| file.place < new.place))
            .collect();
        let moved = |number: u32| {
            let before = positions.partition_point(|at| *at <= number as usize);
            number + index(before)
        };
        let rows = self
            .changes
            .iter_mut()
            .flat_map(|change| &mut change.record);
        for row in rows {
            if let RowFile::New(number) = &mut row.file {
                *number = moved(*number);
            }
        }
        let mut all = Vec::with_capacity(files.len() + added.len());
        let mut rest = files.into_iter();
        let mut taken = 0;
        for (position, file) in positions.iter().zip(added) {
            all.extend(rest.by_ref().take(position - taken));
            taken = *position;
            all.push(file);
        }
        all.extend(rest);
        for file in &mut all {
            if let Content::Bytecode(compilation) = &mut file.content {
                compilation.source = moved(compilation.source);
            }
        }
        self.files = all;
        let indices = positions.iter().enumerate();
        indices.map(|(before, at)| index(at + before)).collect()
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).expect("a plan has fewer than 2^32 files")
}
