//! `entry_points.txt`, as far as scripts are made from it.
//!
//! Input: the bytes of the file. Output: the entry points of the two groups of scripts, or
//! everything that is wrong with them. Invariants: a name is one safe component of a path and is
//! not the interpreter's; module and attribute are dotted identifiers, so that a launcher that
//! imports them runs nothing else. Limits: the caller bounds the size; the work is linear in it.
//! Names that differ only in case, or occur in both groups, are for the caller to compare.

use std::collections::HashMap;

use super::ini;
use super::python_name::{is_dotted_identifier, is_interpreter};
use crate::error::MetadataFault;
use crate::path::{RelPath, check_component};

/// The groups whose entry points become scripts ("Entry points specification", "Use for scripts").
/// On POSIX the two do not differ.
const GROUPS: [&str; 2] = ["console_scripts", "gui_scripts"];

/// The most entry points that become scripts. The project with the most has a few hundred.
const MOST: usize = 10_000;

/// An entry point that becomes a script ("Entry points specification", "Use for scripts").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The script's name.
    pub name: String,
    /// The module to import, dotted.
    pub module: String,
    /// The object in it to call, dotted.
    pub attribute: String,
}

/// The entry points of the two groups of scripts, in the order in which their names first appear.
///
/// The file is read as the specification has `configparser` read it ("Entry points specification",
/// "File format"): only `=` is a delimiter, names are case-sensitive, and nothing is interpolated.
/// If a name occurs twice in one group, its last value counts. Extras and the other groups are
/// ignored.
///
/// # Errors
/// All faults: [`MetadataFault::NotUtf8`], [`MetadataFault::EntryPointLine`] for lines that are
/// neither a section nor an entry, [`MetadataFault::TooManyEntryPoints`], and
/// [`MetadataFault::EntryPoint`] for entries that cannot become a
/// script.
pub fn parse(bytes: &[u8]) -> Result<Vec<EntryPoint>, Vec<MetadataFault>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| vec![MetadataFault::NotUtf8("entry_points.txt".to_owned())])?;
    let mut faults = Vec::new();
    let mut assignments: Vec<(&str, String)> = Vec::new();
    let mut places = HashMap::new();
    for item in ini::items(text, &['=']) {
        let group = item.section.filter(|section| GROUPS.contains(section));
        match group {
            Some(group) if !item.name.is_empty() => {
                let place = *places
                    .entry((group, item.name))
                    .or_insert(assignments.len());
                if place == assignments.len() {
                    assignments.push((item.name, item.value));
                } else {
                    assignments[place].1 = item.value;
                }
            }
            // A line of another group is ignored, unless it looks like the broken header of a group
            // of scripts.
            None if item.section.is_some() && !item.text.starts_with('[') => {}
            _ => faults.push(MetadataFault::EntryPointLine {
                line: item.line,
                text: item.text.to_owned(),
            }),
        }
    }
    if assignments.len() > MOST {
        let (count, limit) = (assignments.len(), MOST);
        return Err(vec![MetadataFault::TooManyEntryPoints { count, limit }]);
    }
    let mut entry_points = Vec::with_capacity(assignments.len());
    for (name, value) in assignments {
        // Blank lines after an entry continue its value for `configparser`, and mean nothing.
        match script(name, value.trim_end()) {
            Ok(entry_point) => entry_points.push(entry_point),
            Err(reason) => faults.push(MetadataFault::EntryPoint {
                name: name.to_owned(),
                value: value.trim_end().to_owned(),
                reason,
            }),
        }
    }
    if faults.is_empty() {
        Ok(entry_points)
    } else {
        Err(faults)
    }
}

/// The entry point of this name and value ("Entry points specification", "Data model").
fn script(name: &str, value: &str) -> Result<EntryPoint, &'static str> {
    // The path's own rules count, too: a name may begin like a drive of Windows.
    if check_component(name).is_err() || RelPath::parse(name).is_err() {
        return Err("the name is not a plain file name");
    }
    // Such a script would run in place of Python in every later use of the environment.
    if is_interpreter(name) {
        return Err("it would replace the interpreter");
    }
    // Checked before the parts are trimmed: line ends are white space to `trim`.
    if value.contains('\n') {
        return Err("its value has more than one line");
    }
    let object = match value.strip_suffix(']') {
        Some(inner) => inner
            .split_once('[')
            .map(|(object, _)| object)
            .ok_or("its extras have no `[`")?,
        None => value,
    };
    let (module, attribute) = object
        .split_once(':')
        .ok_or("it does not have the form `module:object`")?;
    let (module, attribute) = (module.trim(), attribute.trim());
    if !is_dotted_identifier(module) {
        return Err("its module is not a dotted Python identifier");
    }
    if !is_dotted_identifier(attribute) {
        return Err("its object is not a dotted Python identifier");
    }
    Ok(EntryPoint {
        name: name.to_owned(),
        module: module.to_owned(),
        attribute: attribute.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(lines: &str) -> Result<Vec<EntryPoint>, Vec<MetadataFault>> {
        parse(format!("[console_scripts]\n{lines}\n").as_bytes())
    }

    #[test]
    fn more_entry_points_than_any_project_has_are_refused() {
        let lines = |count: usize| {
            let lines = (0..count).map(|number| format!("t{number} = a:b\n"));
            console(&lines.collect::<String>())
        };
        assert_eq!(lines(MOST).map(|found| found.len()), Ok(MOST));
        let (count, limit) = (MOST + 1, MOST);
        let expected = vec![MetadataFault::TooManyEntryPoints { count, limit }];
        assert_eq!(lines(count), Err(expected));
    }

    fn one(line: &str) -> (String, String, String) {
        let mut found = console(line).expect("an entry point");
        assert_eq!(found.len(), 1, "{line}");
        let EntryPoint {
            name,
            module,
            attribute,
        } = found.remove(0);
        (name, module, attribute)
    }

    fn texts(name: &str, module: &str, attribute: &str) -> (String, String, String) {
        (name.to_owned(), module.to_owned(), attribute.to_owned())
    }

    fn refused(name: &str, value: &str) -> bool {
        matches!(&console(&format!("{name} = {value}")).expect_err("refused")[..],
            [MetadataFault::EntryPoint { name: found, .. }] if found == name.trim())
    }

    #[test]
    fn c25_c29_both_groups_are_read_and_others_ignored() {
        let text =
            b"[other]\nplugin = just.a.module\nno delimiter\n%(x)s\n[console_scripts]\na = m:f\n\n\
            [gui_scripts]\nb = n:g\n[pytest11]\nc = d\n[console_scripts]\nz=y:x";
        let found = parse(text).expect("two groups");
        let names: Vec<_> = found.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "z"]);
        assert_eq!(parse(b"").expect("nothing"), []);
        let both = b"[console_scripts]\na = m:f\n[gui_scripts]\na = m:g\n";
        assert_eq!(parse(both).expect("one in each").len(), 2);
    }

    #[test]
    fn c26_spaces_and_extras_are_allowed() {
        assert_eq!(one("a = m : f [x , y]"), texts("a", "m", "f"));
        assert_eq!(one("a=m:f[x]"), texts("a", "m", "f"));
        assert_eq!(one("  a b =  m.n:f.g  "), texts("a b", "m.n", "f.g"));
    }

    #[test]
    fn c27_only_equals_delimits() {
        let faults = console("a: m:f").expect_err("no `=`");
        assert_eq!(
            faults,
            [MetadataFault::EntryPointLine {
                line: 2,
                text: "a: m:f".to_owned()
            }]
        );
        assert!(refused("a: m:f", "x"));
    }

    #[test]
    fn c28_names_are_case_sensitive() {
        let found = console("Foo = m:f\nfoo = m:g").expect("two scripts");
        assert_eq!(
            found
                .iter()
                .map(|entry| entry.name.as_str())
                .collect::<Vec<_>>(),
            ["Foo", "foo"]
        );
    }

    #[test]
    fn c29_c30_a_script_needs_an_object_which_may_be_dotted() {
        assert!(refused("a", "m"));
        assert!(refused("a", ""));
        assert!(refused("a", "m [x]"));
        assert!(refused("a", "m:"));
        assert_eq!(one("a = m:a.b.c"), texts("a", "m", "a.b.c"));
    }

    #[test]
    fn c31_names_that_lead_elsewhere_are_refused() {
        for name in [
            "../x",
            "/abs",
            ".",
            "..",
            "a/../../b",
            "a\\b",
            "a:b",
            "C:x",
            "a\0b",
            "a\tb",
            "a\u{202e}b",
        ] {
            assert!(refused(name, "m:f"), "{name:?}");
        }
        assert!(refused(&"x".repeat(300), "m:f"));
        let faults = console(" = m:f").expect_err("no name");
        assert_eq!(
            faults,
            [MetadataFault::EntryPointLine {
                line: 2,
                text: "= m:f".to_owned()
            }]
        );
    }

    #[test]
    fn c33_unicode_comments_and_percent_signs() {
        let text = "\u{feff}# comment\r\n; comment\r\n[console_scripts]\r\n\
                    ké = é.m:ñ\r\n  # inside\r\n50% = m:f\r\n";
        let found = parse(text.as_bytes()).expect("two scripts");
        assert_eq!(
            (found[0].name.as_str(), found[0].module.as_str()),
            ("ké", "é.m")
        );
        assert_eq!(found[1].name, "50%");
        // A comment is a whole line: here it is a part of the value.
        assert!(refused("a", "m:f # no"));
        assert!(refused("a", "%(x)s:f"));
        assert_eq!(
            parse(b"\xff"),
            Err(vec![MetadataFault::NotUtf8("entry_points.txt".to_owned())])
        );
    }

    #[test]
    fn e42_malformed_files_are_refused_with_all_faults_and_duplicates_keep_the_last() {
        let faults = parse(b"a = m:f\n[console_scripts]\nb\nc = m\n[gui_scripts\n[]\n")
            .expect_err("malformed");
        let lines: Vec<_> = faults
            .iter()
            .map(|fault| match fault {
                MetadataFault::EntryPointLine { line, .. } => *line,
                _ => 0,
            })
            .collect();
        assert_eq!(lines, [1, 3, 5, 6, 0]);
        assert!(parse(b"[other]\n[console_scripts\na = m:f\n").is_err());
        let found = console("a = m:f\nb = m:g\na = m:h").expect("two scripts");
        let attributes: Vec<_> = found.iter().map(|entry| entry.attribute.as_str()).collect();
        assert_eq!(attributes, ["h", "g"]);
    }

    #[test]
    fn e52_r78_names_of_the_interpreter_are_refused() {
        for name in [
            "python",
            "Python",
            "python3",
            "PYTHON3.11",
            "python3.13t",
            "pythonw",
            "pythonw.exe",
            "python3.EXE",
            "pypy3",
        ] {
            assert!(refused(name, "m:f"), "{name}");
        }
        for name in [
            "python-config",
            "python3-x",
            "ipython",
            "pythonx",
            "pip3.99",
            "activate",
            "pytest",
        ] {
            assert_eq!(one(&format!("{name} = m:f")).0, name);
        }
    }

    #[test]
    fn r81_values_that_are_not_identifiers_are_refused() {
        for value in [
            "aa:f;import os#",
            "m:f()",
            "m-n:f",
            "m:1f",
            "m..n:f",
            ".m:f",
            "m:f g",
            "m:f:g",
            "m : f]",
            "m:²",
        ] {
            assert!(refused("a", value), "{value}");
        }
        for value in ["m:f\n  import os", "\n  m:f", "m:f\n\n  [x]", "m:\n  f"] {
            assert!(refused("a", value), "{value:?}");
        }
        // Deeper than the section, but not than the entry before: two entries.
        assert_eq!(
            console("  a = m:f\n\n  b = m:g\n\n")
                .expect("two scripts")
                .len(),
            2
        );
        assert!(refused("a", "m:f\n  b = m:g"));
    }
}
