//! `--output-format github`: annotations and a summary for GitHub Actions.
//!
//! The runner reads workflow commands, such as `::error::…`, from both streams of a step and shows
//! them at the run and in the log. They go to stderr, so that stdout keeps the results alone. What
//! is appended to the file that GITHUB_STEP_SUMMARY names is Markdown for the page of the job.

use pkg_install::error::Error;
use pkg_install::{Action, Outcome, Warning};

use super::text::size;

/// An annotation for each warning, and one for the error.
pub fn annotations(warnings: &[Warning], error: Option<&Error>) -> String {
    let warnings = warnings.iter().map(|warning| {
        let wheel = warning.wheel.as_deref();
        let about = wheel.map_or(String::new(), |wheel| format!("{wheel}: "));
        let message = format!("{about}{}", warning.message);
        annotation("warning", warning.code.as_str(), &message)
    });
    let error = error.map(|error| annotation("error", error.code(), &error.to_string()));
    warnings.chain(error).collect()
}

fn annotation(command: &str, code: &str, message: &str) -> String {
    let title = escaped_property(&format!("pkg-install: {code}"));
    format!("::{command} title={title}::{}\n", escaped_data(message))
}

/// The Markdown for the page of the job.
pub fn summary(outcome: Option<&Outcome>, error: Option<&Error>) -> String {
    let mut text = "### pkg-install\n\n".to_owned();
    if let Some(error) = error {
        text += &format!("**{}**: {}\n\n", error.code(), cell(&error.to_string()));
    }
    let changes = outcome.map_or(&[][..], |outcome| &outcome.changes);
    let mut rows = changes
        .iter()
        .filter(|change| change.action != Action::Keep);
    let Some(first) = rows.next() else {
        if error.is_none() {
            text += "nothing to do\n\n";
        }
        return text;
    };
    text += "| project | version | before | files | size |\n| --- | --- | --- | ---: | ---: |\n";
    for change in std::iter::once(first).chain(rows) {
        let removed = change.action == Action::Remove;
        let version = if removed { "removed" } else { &*change.version };
        let previous = if removed {
            Some(&*change.version)
        } else {
            change.previous.as_deref()
        };
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            cell(&change.name),
            cell(version),
            cell(previous.unwrap_or_default()),
            change.files,
            size(change.bytes),
        );
    }
    text + "\n"
}

/// A text in a cell of a table: without what would end the cell or begin a tag.
fn cell(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn escaped_data(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

fn escaped_property(text: &str) -> String {
    escaped_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_become_another_command() {
        let line = annotation("error", "io", "50 %\n::set-env name=x::y");
        assert_eq!(
            line,
            "::error title=pkg-install%3A io::50 %25%0A::set-env name=x::y\n"
        );
    }

    #[test]
    fn a_cell_holds_no_tag_and_no_bar() {
        assert_eq!(cell("a|b<c>\nd"), "a\\|b&lt;c> d");
    }
}
