//! One bench per stage of an installation, on generated wheels, to see how long each stage takes.
//!
//! `cargo bench` runs all benches, `cargo bench -- stage` those with `stage` in their name, and
//! `cargo bench -- --test` runs everything once without measuring. Times depend on how busy the
//! machine is; `instructions.rs` counts instructions instead.

#![allow(
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a bench says what is wrong by panicking, and so does the tests' builder"
)]

mod support;

use std::fs;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use pkg_install::Cancellation;
use pkg_install::digest::{Algorithm, Backend, Digest};
use pkg_install::outcome::Silent;
use pkg_install::path::RelPath;
use pkg_install::plan::{self, Plan};
use pkg_install::spec::record::{self, RecordRow, Verify};
use pkg_install::stage::{self, StageOptions, Staged};
use pkg_install::transaction::{self, About, Areas, CommitOptions};
use pkg_install::wheel::{self, OpenOptions};

use support::{Bench, OPEN, noise};

const WHEELS: usize = 24;
const ROWS: usize = 20_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let bench = Bench::new(WHEELS);
    open(&mut criterion, &bench);
    plan(&mut criterion, &bench);
    stage(&mut criterion, &bench);
    commit(&mut criterion, &bench);
    records(&mut criterion);
    hashes(&mut criterion);
    engines(&mut criterion);
    paths(&mut criterion);
    criterion.final_summary();
}

fn open(criterion: &mut Criterion, bench: &Bench) {
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Elements(bench.sources.len() as u64));
    for (name, verify) in [("normal", Verify::Normal), ("off", Verify::Off)] {
        let options = OpenOptions { verify, ..OPEN };
        group.bench_function(name, |b| {
            b.iter(|| {
                wheel::open_all(&bench.pool, &bench.sources, options).expect("the wheels are right")
            });
        });
    }
    group.finish();
}

fn plan(criterion: &mut Criterion, bench: &Bench) {
    let changes = bench.changes();
    let mut group = criterion.benchmark_group("plan");
    group.throughput(Throughput::Elements(bench.spread(&changes).len() as u64));
    group.bench_function("spread", |b| b.iter(|| bench.spread(&changes)));
    group.bench_function("survey", |b| {
        b.iter_batched(
            || bench.spread(&changes),
            |files| bench.survey(files),
            BatchSize::LargeInput,
        );
    });
    let (wants, facts) = (bench.wants(), bench.facts());
    group.bench_function("make", |b| {
        b.iter_batched(
            || wants.clone(),
            |wants| plan::make(wants, &facts),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn stage(criterion: &mut Criterion, bench: &Bench) {
    let plan = bench.plan();
    let mut group = criterion.benchmark_group("stage");
    group
        .sample_size(20)
        .throughput(Throughput::Bytes(plan.bytes()));
    for (name, verify) in [("normal", Verify::Normal), ("off", Verify::Off)] {
        group.bench_function(name, |b| {
            // Staged files are deleted when the result is dropped, which is not measured.
            b.iter_batched(
                || plan.clone(),
                |plan| bench.stage(plan, verify),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn commit(criterion: &mut Criterion, bench: &Bench) {
    let plan = bench.plan();
    let mut group = criterion.benchmark_group("commit");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(plan.operations.len() as u64));
    for (name, undoable) in [("plain", false), ("undoable", true)] {
        let options = CommitOptions {
            durable: false,
            undoable,
            about: About::default(),
        };
        group.bench_function(name, |b| {
            let setup = || {
                bench.clear();
                bench.stage(plan.clone(), Verify::Off)
            };
            let run = |(areas, staged)| {
                transaction::commit(&bench.layout, areas, staged, options, &Silent)
                    .expect("it commits")
            };
            b.iter_batched(setup, run, BatchSize::PerIteration);
        });
    }
    group.finish();
    bench.clear();
}

fn records(criterion: &mut Criterion) {
    let row = |number: usize| RecordRow {
        path: format!(
            "package_{}/inner_{}/module_{number}.py",
            number % 7,
            number % 101
        ),
        digest: Some(Digest::of(Algorithm::Sha256, &number.to_le_bytes())),
        size: Some(number as u64),
    };
    let rows: Vec<RecordRow> = (0..ROWS).map(row).collect();
    let text = record::write_record(&rows);
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("read-wheel", |b| {
        b.iter(|| record::read_wheel_record(black_box(&text), Verify::Normal, usize::MAX));
    });
    group.bench_function("read-installed", |b| {
        b.iter(|| record::read_installed_record(black_box(&text)));
    });
    group.bench_function("write", |b| {
        b.iter(|| record::write_record(black_box(&rows)));
    });
    group.finish();
}

fn hashes(criterion: &mut Criterion) {
    let content = noise(1 << 20);
    let mut group = criterion.benchmark_group("hash");
    for (name, size) in [
        ("sha256-1KiB", 1 << 10),
        ("sha256-64KiB", 64 << 10),
        ("sha256-1MiB", 1 << 20),
    ] {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |b| {
            b.iter(|| Digest::of(Algorithm::Sha256, black_box(&content[..size])));
        });
    }
    group.finish();
}

/// Hashes thirty-two contents of one length with each backend. With `--cfg sha2_backend="soft"` in
/// RUSTFLAGS, `Single` is as slow as on a processor without SHA instructions.
fn engines(criterion: &mut Criterion) {
    let content = noise(32 << 18);
    let mut group = criterion.benchmark_group("sha256");
    for (name, size) in [
        ("2KiB", 2 << 10),
        ("16KiB", 16 << 10),
        ("256KiB", 256 << 10),
    ] {
        let contents: Vec<_> = content
            .chunks(size)
            .take(32)
            .map(|content| (Algorithm::Sha256, content))
            .collect();
        group.throughput(Throughput::Bytes(32 * size as u64));
        let expected = Backend::Single.digest_each(&contents);
        for backend in [Backend::Single, Backend::Avx2, Backend::Avx512] {
            assert_eq!(backend.digest_each(&contents), expected, "{backend:?}");
            group.bench_function(format!("{backend:?}-{name}"), |b| {
                b.iter(|| backend.digest_each(black_box(&contents)));
            });
        }
    }
    group.finish();
}

fn paths(criterion: &mut Criterion) {
    let texts: Vec<String> = (0..1000)
        .map(|number| format!("package/sub_{}/module_{number}.py", number % 10))
        .collect();
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function("parse", |b| {
        b.iter(|| {
            texts
                .iter()
                .filter(|text| RelPath::parse(black_box(text)).is_ok())
                .count()
        });
    });
    group.finish();
}

/// The stages that write files.
impl Bench {
    /// The plan of installing all wheels into the empty directory.
    fn plan(&self) -> Plan {
        plan::make(self.wants(), &self.facts()).expect("the wheels do not conflict")
    }

    fn stage(&self, plan: Plan, verify: Verify) -> (Areas, Staged) {
        let options = StageOptions {
            verify,
            backend: Backend::default(),
            pool: &self.pool,
            arrivals: None,
            store: None,
            compile: None,
            epoch: None,
            cancel: &Cancellation::default(),
            progress: &Silent,
        };
        let areas =
            Areas::make(&self.fs, &self.layout, &plan.operations).expect("they can be made");
        let stages = areas.stages();
        let staged =
            stage::stage(&stages, plan, &self.archives, options).expect("it can be staged");
        (areas, staged)
    }

    /// Makes the directory empty again.
    fn clear(&self) {
        fs::remove_dir_all(&self.target).expect("the directory can be removed");
        fs::create_dir(&self.target).expect("a directory can be made");
    }
}
