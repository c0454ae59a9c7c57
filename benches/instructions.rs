//! Counts the instructions of each pure stage with callgrind, to see whether one has become more
//! expensive. Unlike a time, a count does not depend on how busy the machine is.
//!
//! `cargo bench --bench instructions` counts all stages, `… -- plan` those with `plan` in their
//! name. The first counts are kept in `target/instructions`, and later ones are compared with them;
//! `… -- --save` keeps the new ones instead. The exit code is 1 if a stage takes more than [`MOST`]
//! percent more, and 0, with a message, if valgrind is not installed. The profiles are kept beside
//! the counts: `callgrind_annotate target/instructions/STAGE.new` shows the most expensive
//! functions.
//!
//! Counts depend on the compiler and on the processor as valgrind shows it (without SHA
//! instructions and AVX-512), so only counts of one machine can be compared. Time in the kernel,
//! and waiting for other threads, does not show in them.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a bench prints its results and panics on errors, and so does the tests' builder"
)]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use pkg_install::archive::{Archive, Expected, Scratch};
use pkg_install::digest::{Algorithm, Backend, Digest};
use pkg_install::path::RelPath;
use pkg_install::plan;
use pkg_install::spec::pip_report::PipReport;
use pkg_install::spec::pylock::LockFile;
use pkg_install::spec::record::{self, RecordRow, Verify};
use pkg_install::spec::requirements::Requirements;
use pkg_install::wheel::{Wheel, WheelId};

use support::{Bench, OPEN, noise};

/// By how many percent a count may grow.
const MOST: f64 = 1.0;
/// How often a stage runs while it is counted. Each hash map has another seed, so single runs
/// differ a little.
const TIMES: u32 = 10;
const WHEELS: usize = 4;
const ROWS: usize = 2_000;
const PACKAGES: usize = 200;
/// The argument of the process that runs below callgrind.
const WATCHED: &str = "--watched";

/// The name of a stage, and its work.
type Stage<'a> = (&'static str, Box<dyn FnMut() + 'a>);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    let wanted = |name: &str| {
        let mut filters = arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'))
            .peekable();
        filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
    };
    // `cargo bench` passes `--bench`. Everything runs once with `--test`, and with `cargo test
    // --benches`, which passes nothing.
    if has(WATCHED) || has("--test") || !has("--bench") {
        run(&wanted);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        println!("instructions are not counted: there is no valgrind on the PATH");
        return ExitCode::SUCCESS;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("instructions");
    fs::create_dir_all(&directory).expect("a directory can be made");
    let names = count(&arguments, &directory);
    let dearer = names
        .iter()
        .filter(|name| !compare(&directory, name, has("--save")))
        .count();
    println!(
        "{dearer} of {} stages take more than {MOST} % more",
        names.len()
    );
    if dearer == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs the chosen stages, each once before it is counted, so that work that is done once per
/// process does not count.
fn run(wanted: &dyn Fn(&str) -> bool) {
    let bench = Bench::new(WHEELS);
    let texts = Texts::new();
    for (name, mut stage) in stages(&bench, &texts) {
        if wanted(name) {
            stage();
            println!("{name}");
            measured(&mut stage);
        }
    }
}

/// The only code that is counted; callgrind finds it by this name.
#[inline(never)]
fn measured(stage: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        stage();
    }
}

/// Runs this program below callgrind, which writes one numbered profile per stage, and renames the
/// profiles to their stages. Returns the names.
fn count(arguments: &[String], directory: &Path) -> Vec<String> {
    let out = directory.join("profile");
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--toggle-collect=*::measured",
            "--dump-after=*::measured",
        ])
        // With compression only the first profile would contain the names.
        .arg("--compress-strings=no")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(
            arguments
                .iter()
                .filter(|argument| !argument.starts_with('-')),
        )
        .arg(WATCHED)
        .output()
        .expect("valgrind can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names: Vec<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect();
    for (name, number) in names.iter().zip(1..) {
        let profile = format!("{}.{number}", out.display());
        let text = fs::read_to_string(&profile).expect("callgrind wrote a profile of each stage");
        // A call that had begun before the previous profile was written counts 0 times, which
        // callgrind_annotate cannot read.
        let text = text.replace("\ncalls=0 ", "\ncalls=1 ");
        fs::write(directory.join(format!("{name}.new")), text).expect("a profile can be written");
        fs::remove_file(profile).expect("a profile can be removed");
    }
    names
}

/// Prints a stage's new count beside the kept one, and returns whether it is within [`MOST`].
/// Keeps the new count if there was none.
fn compare(directory: &Path, name: &str, save: bool) -> bool {
    let (new, kept) = (
        directory.join(format!("{name}.new")),
        directory.join(format!("{name}.kept")),
    );
    let now = total(&new).expect("callgrind wrote a total");
    assert!(
        now > 0.0,
        "callgrind does not know `measured`: is the program stripped?"
    );
    let change = total(&kept).map(|before| (now / before - 1.0) * 100.0);
    let said = change.map_or("new".to_owned(), |change| format!("{change:+.2} %"));
    println!("{name:<24}{now:>14.0}{said:>12}");
    if save || change.is_none() {
        fs::copy(&new, &kept).expect("a profile can be kept");
    }
    save || change.is_none_or(|change| change <= MOST)
}

/// The instructions in a profile, per run of its stage.
fn total(profile: &Path) -> Option<f64> {
    let text = fs::read_to_string(profile).ok()?;
    let total: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?
        .parse()
        .ok()?;
    Some(total / f64::from(TIMES))
}

fn stages<'a>(bench: &'a Bench, texts: &'a Texts) -> Vec<Stage<'a>> {
    let mut stages = reading(bench);
    stages.extend(parsing(texts));
    stages.extend(planning(bench));
    stages.extend(hashing());
    stages
}

fn stage<'a, T>(name: &'static str, mut work: impl FnMut() -> T + 'a) -> Stage<'a> {
    (name, Box::new(move || drop(black_box(work()))))
}

fn reading(bench: &Bench) -> Vec<Stage<'_>> {
    let path = bench.sources[0].path().expect("the wheels are files");
    let source = &bench.sources[0];
    let archive = bench.archives.get(WheelId(0)).expect("it is open");
    vec![
        stage("archive-open", move || {
            Archive::open(path, "wheel").expect("the archive is right")
        }),
        stage("wheel-open", move || {
            Wheel::open(source, OPEN).expect("the wheel is right")
        }),
        stage("inflate", move || {
            let mut scratch = Scratch::new();
            let mut length = 0;
            for entry in archive.entries() {
                let mut sink = |piece: &[u8]| {
                    length += piece.len();
                    Ok(())
                };
                archive
                    .unpack(entry, Expected::default(), &mut scratch, &mut sink)
                    .expect("the contents are right");
            }
            length
        }),
    ]
}

fn parsing(texts: &Texts) -> Vec<Stage<'_>> {
    let safe = |row: &&RecordRow| RelPath::parse(black_box(&row.path)).is_ok();
    vec![
        stage("record-read-wheel", || {
            record::read_wheel_record(&texts.record, Verify::Normal, usize::MAX)
        }),
        stage("record-read-installed", || {
            record::read_installed_record(&texts.record).expect("it is right")
        }),
        stage("record-write", || record::write_record(&texts.rows)),
        stage("path-parse", move || texts.rows.iter().filter(safe).count()),
        stage("pylock-parse", || {
            LockFile::parse(texts.lock.as_bytes()).expect("the lock file is right")
        }),
        stage("report-parse", || {
            PipReport::parse(texts.report.as_bytes()).expect("the report is right")
        }),
        stage("requirements-parse", || {
            Requirements::parse(texts.list.as_bytes()).expect("the list is right")
        }),
    ]
}

fn planning(bench: &Bench) -> Vec<Stage<'_>> {
    let changes = bench.changes();
    let (wants, facts) = (bench.wants(), bench.facts());
    vec![
        stage("plan-spread", move || bench.spread(&changes)),
        // With a copy, because the stage consumes its input.
        stage("plan-make", move || plan::make(wants.clone(), &facts)),
    ]
}

fn hashing() -> Vec<Stage<'static>> {
    let content = noise(1 << 18);
    let again = content.clone();
    vec![
        stage("hash-small", move || {
            let contents: Vec<_> = content
                .chunks(4 << 10)
                .map(|content| (Algorithm::Sha256, content))
                .collect();
            Backend::default().digest_each(&contents)
        }),
        stage("hash-large", move || Digest::of(Algorithm::Sha256, &again)),
    ]
}

/// A RECORD, and the files that resolvers write.
struct Texts {
    rows: Vec<RecordRow>,
    record: Vec<u8>,
    lock: String,
    report: String,
    list: String,
}

impl Texts {
    fn new() -> Self {
        let row = |number: usize| RecordRow {
            path: module_path(number),
            digest: Some(Digest::of(Algorithm::Sha256, &number.to_le_bytes())),
            size: Some(number as u64),
        };
        let rows: Vec<RecordRow> = (0..ROWS).map(row).collect();
        let record = record::write_record(&rows);
        let mut lock = "lock-version = \"1.0\"\ncreated-by = \"bench\"\n".to_owned();
        let (mut items, mut list) = (Vec::new(), String::new());
        for number in 0..PACKAGES {
            let hash = Digest::of(Algorithm::Sha256, &number.to_le_bytes()).to_hex();
            let name = format!("package-{number}");
            let url = format!("https://example.org/package_{number}-1.{number}-py3-none-any.whl");
            let _ = write!(
                lock,
                "[[packages]]\nname = \"{name}\"\nversion = \"1.{number}\"\n\
                 marker = \"python_version >= '3.{}'\"\n\
                 wheels = [{{url = \"{url}\", size = {number}, \
                 hashes = {{sha256 = \"{hash}\"}}}}]\n",
                number % 9
            );
            items.push(format!(
                "{{\"download_info\": {{\"url\": \"{url}\", \
                 \"archive_info\": {{\"hashes\": {{\"sha256\": \"{hash}\"}}}}}}, \
                 \"is_direct\": false, \"requested\": true, \
                 \"metadata\": {{\"name\": \"{name}\", \"version\": \"1.{number}\"}}}}"
            ));
            let _ = writeln!(
                list,
                "{name}==1.{number} ; python_version >= '3.{}' --hash=sha256:{hash}",
                number % 9
            );
        }
        let report = format!(
            "{{\"version\": \"1\", \"pip_version\": \"26.0\", \
             \"install\": [{}], \"environment\": {{}}}}",
            items.join(",")
        );
        Self {
            rows,
            record,
            lock,
            report,
            list,
        }
    }
}

fn module_path(number: usize) -> String {
    format!(
        "package_{}/inner_{}/module_{number}.py",
        number % 7,
        number % 101
    )
}
