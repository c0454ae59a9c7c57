//! Bytecode, which is compiled while other files are still being written.
//!
//! Input: the sources of a plan as they are written, the largest first. Output: the files of
//! bytecode in the staging directories, written by the interpreters. One thread per interpreter
//! hands out the work and waits.

use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Stages;
use crate::cancellation::Cancellation;
use crate::environment::layout::Layout;
use crate::environment::{Compiled, Compilers, SourceToCompile};
use crate::error::Result;
use crate::outcome::{Activity, ActivityKind, Events, RunningActivity};
use crate::plan::{Content, Plan, PlannedFile};

/// How many bytes of sources are handed out at once. A file takes a millisecond per 20 KiB, beside
/// which the messages cost little; more would let one interpreter work while the others are idle.
const HANDED_OUT: u64 = 64 << 10;

/// The interpreters that compile, and what they need to know about the environment.
#[derive(Clone, Copy)]
pub struct CompileWith<'a> {
    /// The interpreters.
    pub compilers: &'a Compilers,
    /// The scheme directories.
    pub layout: &'a Layout,
    /// The directory that is in front of all paths now, and will not be.
    pub destdir: Option<&'a Path>,
}

/// What has become of the bytecode of a plan.
#[derive(Debug, Default)]
pub(super) struct CompileResults {
    /// The sizes of the files, by their numbers in the plan.
    pub sizes: BTreeMap<usize, u64>,
    /// The sources that are no valid Python, by their numbers, with the end of the traceback.
    pub refused: BTreeMap<usize, String>,
}

/// The compilation of a plan's bytecode.
pub(super) struct Compilation<'a> {
    plan: &'a Plan,
    stages: &'a Stages<'a>,
    with: CompileWith<'a>,
    cancel: &'a Cancellation,
    activity: RunningActivity<'a>,
    /// The files of bytecode by their sources, both as numbers in the plan.
    outputs: BTreeMap<usize, Vec<usize>>,
    state: Mutex<CompileState>,
    changed: Condvar,
}

struct CompileState {
    /// The sources that are written and not compiled yet, by their size.
    sources: BinaryHeap<(u64, usize)>,
    is_open: bool,
    results: CompileResults,
}

impl<'a> Compilation<'a> {
    /// Nothing is written yet. `None` if nothing is to be compiled.
    pub(super) fn new(
        plan: &'a Plan,
        stages: &'a Stages<'a>,
        with: CompileWith<'a>,
        (cancel, progress): (&'a Cancellation, &'a dyn Events),
    ) -> Option<Self> {
        let mut outputs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, file) in plan.files.iter().enumerate() {
            if let Content::Bytecode(compilation) = file.content {
                outputs
                    .entry(compilation.source as usize)
                    .or_default()
                    .push(number);
            }
        }
        let activity = Activity::of_files(ActivityKind::Compile, outputs.len());
        (!outputs.is_empty()).then(|| Self {
            plan,
            stages,
            with,
            cancel,
            activity: RunningActivity::begin(progress, &activity),
            outputs,
            state: Mutex::new(CompileState {
                sources: BinaryHeap::new(),
                is_open: true,
                results: CompileResults::default(),
            }),
            changed: Condvar::new(),
        })
    }

    /// How many threads should call [`Compilation::run`].
    pub(super) fn threads(&self) -> usize {
        self.with.compilers.count().min(self.outputs.len())
    }

    /// A file is written; if it is a source, it can be compiled now.
    pub(super) fn written(&self, number: usize) {
        if self.outputs.contains_key(&number) {
            let size = self.plan.files[number].size;
            self.lock().sources.push((size, number));
            self.changed.notify_one();
        }
    }

    /// No more files will be written.
    pub(super) fn close(&self) {
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    /// Throws away what is left.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.sources.clear();
        state.is_open = false;
        drop(state);
        self.changed.notify_all();
    }

    /// Compiles with one of the interpreters until there is nothing left.
    pub(super) fn run(&self, worker: usize) -> Result<()> {
        while let Some(numbers) = self.next() {
            let sources = numbers.iter().map(|&number| self.source(number));
            let sources: Vec<SourceToCompile> = sources.collect();
            let mut done = |at: usize, compiled| self.finish(numbers[at], compiled);
            let compilers = self.with.compilers;
            compilers.compile(worker, &sources, self.cancel, &mut done)?;
        }
        Ok(())
    }

    pub(super) fn into_results(self) -> CompileResults {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).results
    }

    /// Waits for sources, and takes out some; `None` if there will be no more.
    fn next(&self) -> Option<Vec<usize>> {
        let mut state = self.lock();
        loop {
            let (mut numbers, mut bytes) = (Vec::new(), 0);
            while bytes < HANDED_OUT
                && let Some((size, number)) = state.sources.pop()
            {
                numbers.push(number);
                // An empty source has its costs, too.
                bytes += size.max(1 << 10);
            }
            if !numbers.is_empty() {
                return Some(numbers);
            }
            if !state.is_open {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn source(&self, number: usize) -> SourceToCompile {
        let file = &self.plan.files[number];
        let outputs = self.outputs[&number].iter().map(|&output| {
            let file = &self.plan.files[output];
            let Content::Bytecode(compilation) = file.content else {
                unreachable!("only bytecode was collected")
            };
            (compilation.level, self.staged(file))
        });
        SourceToCompile {
            source: self.staged(file),
            final_path: self.with.layout.final_path(&file.place, self.with.destdir),
            outputs: outputs.collect(),
        }
    }

    fn staged(&self, file: &PlannedFile) -> PathBuf {
        let stage = self.stages.dir(file.place.root).path();
        stage.join(self.stages.path(self.plan, file))
    }

    fn finish(&self, number: usize, compiled: Compiled) {
        let mut state = self.lock();
        match compiled {
            Compiled::Written(sizes) => {
                let outputs = self.outputs[&number].iter().copied();
                state.results.sizes.extend(outputs.zip(sizes));
            }
            Compiled::Refused(traceback) => {
                state.results.refused.insert(number, traceback);
            }
        }
        drop(state);
        self.activity.advance(1);
    }

    // No method leaves the state half changed, so it is right even after a panic.
    fn lock(&self) -> MutexGuard<'_, CompileState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
