//! What the user sees: a report as a few lines of text, or as one JSON object; errors, and what
//! state things are in.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::args::{Color, Command, Output, Parsed};
use pkg_install::error::{Effect, Error, ErrorKind, Result, escaped};
use pkg_install::outcome::{
    Action, ChangeReport, Difference, DifferenceState, ErrorReport, ListedProject, Outcome, Report,
    Warning,
};

/// How many projects are named, and how many warnings of one sort are shown, where `-v` does not
/// ask for all.
const SHOWN: usize = 12;
const SHOWN_WARNINGS: usize = 3;

/// What a command has to show beside its report.
pub enum Body {
    /// The changes in the report.
    Changes,
    /// Nothing but that it was done.
    Undone,
    /// Nothing but what recovery found.
    Recovered,
    /// That nothing differs.
    Checked,
    /// The projects in the report.
    Listed,
    /// The wheels that are here now.
    #[cfg(feature = "http")]
    Downloaded(Vec<std::path::PathBuf>),
}

/// Shows reports in the way that was asked for.
pub struct Renderer {
    output: Output,
    color: bool,
    begin: Instant,
}

impl Renderer {
    /// A renderer; the time that a summary names begins now.
    pub fn new(output: &Output) -> Self {
        let color = match output.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                io::stderr().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        Self {
            output: output.clone(),
            color,
            begin: Instant::now(),
        }
    }

    /// Shows what came of a command and returns its exit code.
    pub fn finish(&self, parsed: &Parsed, report: &mut Report, result: &Result<Body>) -> ExitCode {
        let mut results = String::new();
        let code = match result {
            Ok(body) => {
                self.body(body, report, &mut results);
                0
            }
            Err(error) => {
                report.fail(error);
                differences(
                    report.differences.as_deref().unwrap_or_default(),
                    &mut results,
                );
                exit_code(error.kind())
            }
        };
        if self.output.json {
            results = json(report);
        } else if self.output.quiet {
            results.clear();
        }
        let mut remarks = String::new();
        if !self.output.quiet {
            self.warnings(&report.warnings, &mut remarks);
        }
        if let Err(error) = result {
            self.error(error, report, parsed, &mut remarks);
        }
        // A reader that went away does not change what was done.
        let _ = io::stderr().lock().write_all(remarks.as_bytes());
        let _ = io::stdout().lock().write_all(results.as_bytes());
        ExitCode::from(code)
    }

    fn body(&self, body: &Body, report: &Report, text: &mut String) {
        match body {
            Body::Changes => self.changes(report, text),
            Body::Undone if report.outcome == Outcome::Planned => {
                text.push_str("the last transaction can be taken back\n");
            }
            Body::Undone => text.push_str("the last transaction is taken back\n"),
            Body::Recovered if report.outcome == Outcome::Unchanged => {
                text.push_str("nothing to recover\n");
            }
            Body::Recovered => text.push_str("recovered\n"),
            Body::Checked => {
                let count = report.projects_checked.unwrap_or_default();
                text.push_str(&format!(
                    "{count} project{} as recorded\n",
                    if count == 1 { "" } else { "s" }
                ));
            }
            #[cfg(feature = "http")]
            Body::Downloaded(paths) => {
                text.extend(
                    paths
                        .iter()
                        .map(|path| format!("{}\n", escaped(&path.display().to_string()))),
                );
            }
            Body::Listed => listing(report.projects.as_deref().unwrap_or_default(), text),
        }
        if self.output.verbose {
            let timings = &report.timings_ms;
            for (step, time) in [
                ("open", timings.open),
                ("plan", timings.plan),
                ("stage", timings.stage),
                ("commit", timings.commit),
                ("clean", timings.clean),
            ] {
                text.push_str(
                    &time
                        .map(|time| format!("  {step:7}{time:9.1} ms\n"))
                        .unwrap_or_default(),
                );
            }
        }
    }

    fn changes(&self, report: &Report, text: &mut String) {
        let shown = if self.output.verbose {
            usize::MAX
        } else {
            SHOWN
        };
        let changed: Vec<&ChangeReport> = report
            .changes
            .iter()
            .filter(|change| change.action != Action::Keep)
            .collect();
        let kept = report.changes.len() - changed.len();
        for change in changed.iter().take(shown) {
            text.push_str(&self.change(change));
        }
        if changed.len() > shown {
            text.push_str(&format!("   … and {} more\n", changed.len() - shown));
        }
        for conflict in &report.conflicts {
            let (path, owners) = (
                escaped(&conflict.path),
                escaped(&conflict.owners.join(", ")),
            );
            text.push_str(&format!(
                "   `{path}` of {owners}: {} wins\n",
                escaped(&conflict.resolution)
            ));
        }
        let files = report
            .plan
            .as_ref()
            .filter(|_| self.output.verbose && report.outcome == Outcome::Planned);
        if let Some(files) = files {
            for (word, paths) in [("remove", &files.remove), ("write", &files.write)] {
                paths
                    .iter()
                    .for_each(|path| text.push_str(&format!("   {word:6}  {}\n", escaped(path))));
            }
        }
        if kept > 0 {
            let (projects, are) = if kept == 1 {
                ("project", "is")
            } else {
                ("projects", "are")
            };
            text.push_str(&format!(
                "{kept} {projects} {are} installed already in this version\n"
            ));
        }
        text.push_str(&self.summary(report, &changed));
    }

    fn change(&self, change: &ChangeReport) -> String {
        let (name, version) = (&change.name, escaped(&change.version));
        let previous = change.previous.as_deref().map(escaped).unwrap_or_default();
        match change.action {
            Action::Install => format!(" {} {name} {version}\n", self.paint("32", "+")),
            Action::Replace => {
                format!(" {} {name} {previous} → {version}\n", self.paint("33", "~"))
            }
            Action::Reinstall => format!(" {} {name} {version}\n", self.paint("33", "~")),
            Action::Remove => format!(" {} {name} {version}\n", self.paint("31", "-")),
            Action::Keep => String::new(),
        }
    }

    fn summary(&self, report: &Report, changed: &[&ChangeReport]) -> String {
        let count = |wanted: &[Action]| {
            changed
                .iter()
                .filter(|change| wanted.contains(&change.action))
                .count()
        };
        let (files, bytes) = changed.iter().fold((0, 0), |(files, bytes), change| {
            (files + change.files, bytes + change.bytes)
        });
        let mut parts = Vec::new();
        for (number, done, planned) in [
            (count(&[Action::Install]), "installed", "would install"),
            (
                count(&[Action::Replace, Action::Reinstall]),
                "replaced",
                "would replace",
            ),
            (count(&[Action::Remove]), "removed", "would remove"),
        ] {
            if number > 0 {
                let verb = if report.outcome == Outcome::Planned {
                    planned
                } else {
                    done
                };
                parts.push(format!(
                    "{verb} {number} project{}",
                    if number == 1 { "" } else { "s" }
                ));
            }
        }
        if parts.is_empty() {
            return "nothing to do\n".to_owned();
        }
        let took = match report.outcome {
            Outcome::Planned => String::new(),
            _ => format!(" in {}", duration(self.begin.elapsed())),
        };
        format!(
            "{}: {} files, {}{took}\n",
            parts.join(", "),
            grouped(files),
            size(bytes)
        )
    }

    /// Warnings of one sort stand together, the first few of each are shown.
    fn warnings(&self, warnings: &[Warning], text: &mut String) {
        let shown = if self.output.verbose {
            usize::MAX
        } else {
            SHOWN_WARNINGS
        };
        let mut codes: Vec<&str> = Vec::new();
        for warning in warnings {
            if !codes.contains(&warning.code) {
                codes.push(warning.code);
            }
        }
        for code in codes {
            let alike: Vec<&Warning> = warnings
                .iter()
                .filter(|warning| warning.code == code)
                .collect();
            for warning in alike.iter().take(shown) {
                let about = warning
                    .wheel
                    .as_deref()
                    .map(|wheel| format!("`{}`: ", escaped(wheel)))
                    .unwrap_or_default();
                let label = self.paint("33", "warning");
                text.push_str(&format!("{label}: {about}{}\n", escaped(&warning.message)));
            }
            if alike.len() > shown {
                text.push_str(&format!(
                    "         … and {} more like this ({code}; `-v` shows all)\n",
                    alike.len() - shown
                ));
            }
        }
    }

    fn error(&self, error: &Error, report: &Report, parsed: &Parsed, text: &mut String) {
        text.push_str(&format!("{}: {error}\n", self.paint("31", "error")));
        if let Some(hint) = error.hint() {
            text.push_str(&format!("{}: {hint}\n", self.paint("36", "hint")));
        }
        let place = report.environment.as_ref().map(|environment| {
            format!(" in `{}`", escaped(&environment.root.display().to_string()))
        });
        let place = place.unwrap_or_default();
        let state = match error.effect() {
            Effect::Untouched => format!("nothing was changed{place}"),
            Effect::RolledBack => format!("everything was taken back, nothing is changed{place}"),
            Effect::Unfinished => {
                let target = parsed.environment_words(report);
                format!("a change is unfinished{place}; `pkg-install recover{target}` settles it")
            }
        };
        let reads_only = error.kind() == ErrorKind::Differences;
        if !reads_only
            && !matches!(parsed.command, Command::Recover if error.effect() == Effect::Untouched)
        {
            text.push_str(&format!("{}: {state}\n", self.paint("36", "state")));
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

impl Parsed {
    /// The words that name the same environment again.
    fn environment_words(&self, report: &Report) -> String {
        let locate = self.locate();
        if let Some(python) = locate.python.filter(|_| locate.target.is_none()) {
            let mut words = format!(" --python {}", python.display());
            for (option, value) in [("--prefix", locate.prefix), ("--root", locate.root)] {
                words.push_str(
                    &value
                        .map(|value| format!(" {option} {}", value.display()))
                        .unwrap_or_default(),
                );
            }
            return words;
        }
        let root = report
            .environment
            .as_ref()
            .map(|environment| environment.root.display().to_string());
        root.map(|root| format!(" --target {root}"))
            .unwrap_or_default()
    }
}

fn listing(projects: &[ListedProject], text: &mut String) {
    let width =
        |column: fn(&ListedProject) -> usize| projects.iter().map(column).max().unwrap_or_default();
    let (name, version) = (
        width(|project| project.name.len()),
        width(|project| project.version.len()),
    );
    let installer = width(|project| project.installer.as_deref().unwrap_or("-").len());
    for project in projects {
        let files = project.files.map_or_else(
            || "no RECORD".to_owned(),
            |files| format!("{} files", grouped(files)),
        );
        let bytes = project.bytes.map(size).unwrap_or_default();
        let conflicts = match project.conflicts.as_slice() {
            [] => String::new(),
            others => format!("  conflicts with {}", others.join(", ")),
        };
        let line = format!(
            "{:name$}  {:version$}  {:installer$}  {files:>13}  {bytes:>10}{conflicts}",
            project.name,
            escaped(&project.version),
            escaped(project.installer.as_deref().unwrap_or("-")),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn differences(found: &[Difference], text: &mut String) {
    for difference in found {
        let state = match difference.state {
            DifferenceState::Missing => "missing",
            DifferenceState::Changed => "changed",
            DifferenceState::Unreadable => "unreadable",
            DifferenceState::Mode => "mode",
            DifferenceState::Record => "record",
        };
        let detail = difference
            .detail
            .as_deref()
            .map(|detail| format!(" ({})", escaped(detail)))
            .unwrap_or_default();
        text.push_str(&format!(
            "{state:10}  {}  {}{detail}\n",
            difference.project,
            escaped(&difference.path)
        ));
    }
}

/// What clap says of arguments that it refuses; help and version are no failure.
pub fn refuse(refusal: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let _ = refusal.print();
    if refusal.exit_code() == 0 {
        return ExitCode::SUCCESS;
    }
    let _ = io::stderr()
        .lock()
        .write_all(b"\nstate: nothing was changed\n");
    let set = std::env::var("PKG_INSTALL_JSON")
        .is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false" | "no" | "off"));
    if set || arguments.iter().any(|argument| argument == "--json") {
        let mut report = Report::new();
        report.fail(&Error::usage(refusal.to_string().trim_end()));
        let _ = io::stdout().lock().write_all(json(&report).as_bytes());
    }
    ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(2))
}

fn json(report: &Report) -> String {
    serde_json::to_string_pretty(report)
        .map(|text| text + "\n")
        .unwrap_or_else(|error| {
            let message = format!("the report cannot be written as JSON: {error}");
            let error = ErrorReport {
                kind: "failed",
                message,
                effect: "untouched",
                wheels: Vec::new(),
            };
            let report = Report {
                error: Some(error),
                environment: None,
                ..Report::new()
            };
            serde_json::to_string(&report).unwrap_or_default()
        })
}

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::Input => 3,
        ErrorKind::Conflict => 4,
        ErrorKind::Environment => 5,
        ErrorKind::Differences => 6,
        ErrorKind::Interrupted => 130,
        // A kind that a newer library adds is a failure like any other to a calling script.
        _ => 1,
    }
}

fn duration(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// Bytes in the unit that suits them.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let (mut value, mut unit) = (bytes as f64 / 1e3, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    format!(
        "{value:.*} {}",
        if value < 10.0 {
            2
        } else if value < 100.0 {
            1
        } else {
            0
        },
        units[unit]
    )
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 36_367, 1_000_000].map(grouped),
            ["0", "999", "1,000", "36,367", "1,000,000"]
        );
        assert_eq!(
            [12, 1_500, 56_789_012].map(size),
            ["12 bytes", "1.50 kB", "56.8 MB"]
        );
        assert_eq!(size(1_153_000_000), "1.15 GB");
    }
}
