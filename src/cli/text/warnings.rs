//! Warnings for people: one line for each wheel, unless `-v` asks for all.

use pkg_install::Warning;
use pkg_install::error::WarningCode;
use pkg_install::error::escaped;

use super::units::paint;

/// How many wheels are warned about without `-v`.
// A terminal of 24 rows then still shows the result below.
const SHOWN: usize = 10;

/// Several warnings of one kind as one phrase, by their code: the words that follow the number.
const PHRASES: &[(WarningCode, &str)] = &[
    (
        WarningCode::RecordAbsentFile,
        "files that RECORD lists are not in the wheel",
    ),
    (
        WarningCode::RecordDirectory,
        "rows of RECORD are directories",
    ),
    (
        WarningCode::RecordHexadecimalDigest,
        "digests in RECORD are hexadecimal",
    ),
    (
        WarningCode::RecordPaddedDigest,
        "digests in RECORD are padded",
    ),
    (
        WarningCode::RecordStandardAlphabet,
        "digests in RECORD are in the standard alphabet of base64",
    ),
    (
        WarningCode::RecordLeadsOutside,
        "rows of RECORD lead out of the environment",
    ),
    (
        WarningCode::RecordProtected,
        "rows of RECORD name protected files",
    ),
    (
        WarningCode::RepackedFile,
        "files are an installer's to write and are left out",
    ),
    (
        WarningCode::NotCompiled,
        "files are installed without bytecode, because they are no valid Python",
    ),
    (WarningCode::Metadata, "oddities of the metadata"),
    (
        WarningCode::EditedFile,
        "edited files were replaced or removed",
    ),
];

/// The warnings as lines, those about one wheel together.
pub fn warnings(warnings: &[Warning], verbose: bool) -> String {
    if verbose {
        return warnings
            .iter()
            .map(|warning| line(warning.wheel.as_deref(), &warning.message))
            .collect();
    }
    // There are few wheels with warnings, and a list keeps their first order.
    let mut groups: Vec<(Option<&str>, Vec<&Warning>)> = Vec::new();
    for warning in warnings {
        let wheel = warning.wheel.as_deref();
        // What is about no wheel has nothing in common.
        let known = groups
            .iter_mut()
            .find(|(known, _)| wheel.is_some() && *known == wheel);
        match known {
            Some((_, group)) => group.push(warning),
            None => groups.push((wheel, vec![warning])),
        }
    }
    let mut text: String = groups
        .iter()
        .take(SHOWN)
        .map(|(wheel, group)| line(*wheel, &together(group)))
        .collect();
    if groups.len() > SHOWN {
        let more = groups.len() - SHOWN;
        text += &format!("         … and {more} more like this (`-v` lists all)\n");
    }
    text
}

/// What interpreters say about sources that are no valid Python, line by line as they say it.
pub fn tracebacks(tracebacks: &[String]) -> String {
    let lines = tracebacks.iter().flat_map(|text| text.lines());
    lines.map(|line| format!("{}\n", escaped(line))).collect()
}

fn line(wheel: Option<&str>, message: &str) -> String {
    let about = wheel.map(|wheel| format!("{}: ", escaped(short(wheel))));
    let about = about.unwrap_or_default();
    format!("{}: {about}{}\n", paint("33", "warning"), escaped(message))
}

/// The file name of a wheel's path or URL; other names as they are.
fn short(wheel: &str) -> &str {
    match wheel.rsplit_once('/') {
        Some((_, name)) if name.ends_with(".whl") => name,
        _ => wheel,
    }
}

/// The warnings about one wheel as one sentence.
fn together(group: &[&Warning]) -> String {
    if let [only] = group {
        return only.message.clone();
    }
    let mut codes: Vec<WarningCode> = Vec::new();
    for warning in group {
        if !codes.contains(&warning.code) {
            codes.push(warning.code);
        }
    }
    let phrase = |code: &WarningCode| {
        let alike = group.iter().filter(|warning| warning.code == *code);
        let (first, count) = (alike.clone().next(), alike.count());
        let known = PHRASES.iter().find(|(known, _)| known == code);
        match (first, known) {
            (Some(first), _) if count == 1 => first.message.clone(),
            (_, Some((_, words))) => format!("{count} {words}"),
            (Some(first), None) => format!("{}, and {} more like this", first.message, count - 1),
            (None, None) => String::new(),
        }
    };
    let phrases: Vec<String> = codes.iter().map(phrase).collect();
    let strict = if codes
        .iter()
        .any(|code| code.as_str().starts_with("record-"))
    {
        ", `--verify strict` refuses them"
    } else {
        ""
    };
    format!("{} (accepted; `-v` lists them{strict})", phrases.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning(code: WarningCode, wheel: &str, message: &str) -> Warning {
        Warning::about(wheel, code, message)
    }

    #[test]
    fn a_wheel_gets_one_line_with_a_count() {
        let mut all: Vec<Warning> = (0..8)
            .map(|row| {
                warning(
                    WarningCode::RecordAbsentFile,
                    "w/a-1-py3-none-any.whl",
                    &row.to_string(),
                )
            })
            .collect();
        all.push(warning(
            WarningCode::Metadata,
            "w/a-1-py3-none-any.whl",
            "it is new",
        ));
        all.push(warning(
            WarningCode::Metadata,
            "w/b-1-py3-none-any.whl",
            "it is old",
        ));
        let text = warnings(&all, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(
            lines[0].ends_with(
                "a-1-py3-none-any.whl: 8 files that RECORD lists are not in the wheel; \
                 it is new (accepted; `-v` lists them, `--verify strict` refuses them)"
            ),
            "{text}"
        );
        assert!(
            lines[1].ends_with("b-1-py3-none-any.whl: it is old"),
            "{text}"
        );
        assert_eq!(warnings(&all, true).lines().count(), 10);
    }

    #[test]
    fn a_long_list_of_wheels_is_cut() {
        let all: Vec<Warning> = (0..30)
            .map(|wheel| warning(WarningCode::Metadata, &format!("{wheel}.whl"), "it is new"))
            .collect();
        let text = warnings(&all, false);
        assert_eq!(text.lines().count(), SHOWN + 1);
        assert!(
            text.ends_with("… and 20 more like this (`-v` lists all)\n"),
            "{text}"
        );
    }
}
