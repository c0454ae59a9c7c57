//! The house rules, as tests on the source text: heads, sizes, names, layers, circles, papers.
//!
//! The rules are the constants below; a failing test names file and line. An exception is a change
//! of a constant, so that a reviewer sees it. See [`source_text`](crate::source_text) for how the
//! code is read.

use std::collections::{BTreeMap, BTreeSet};

use crate::source_text::{Function, Named, all_sources, library, text_files};
use crate::source_uses::{from_root, module, uses_between_files};

const MOST_LINES_IN_A_FILE: usize = 500;
/// A function whose body is a single `match` is a table and may be longer.
const MOST_LINES_IN_A_FUNCTION: usize = 70;
/// A test, or what makes its input, may list many cases.
const MOST_LINES_IN_A_TEST: usize = 140;
const MOST_PARAMETERS: usize = 5;
const MOST_COLUMNS: usize = 100;

/// Names of files and modules that say nothing.
const REFUSED_NAMES: &[&str] = &[
    "utils", "util", "helpers", "common", "manager", "core", "types", "prelude", "misc",
];

/// What only some files may name: the paths, and the files, or directories with a final slash.
const RESERVED: &[(&[&str], &[&str])] = &[
    (
        &[
            "std::fs",
            "std::os::unix::fs",
            "rustix::fs",
            "fs2",
            "tempfile",
            "walkdir",
        ],
        &["src/fs/"],
    ),
    (
        &["zip", "flate2", "libdeflater", "ruzstd"],
        &["src/archive/"],
    ),
    (&["ureq"], &["src/download/"]),
    (&["rayon"], &["src/threads.rs"]),
    (&["pubgrub", "version_ranges"], &["src/resolve/"]),
    (&["pep440_rs"], &["src/spec/version/"]),
    (
        &[
            "println!",
            "eprintln!",
            "print!",
            "eprint!",
            "std::io::stdout",
            "std::io::stderr",
        ],
        &["src/cli/", "src/main.rs"],
    ),
    (
        &[
            "std::env::var",
            "std::env::var_os",
            "std::env::vars",
            "std::env::vars_os",
        ],
        &["src/cli/", "src/main.rs"],
    ),
    (
        &["std::env::args", "std::env::args_os", "std::process::exit"],
        &["src/cli/", "src/main.rs"],
    ),
];

/// The one file that lifts the ban on unsafe code, once.
const UNSAFE: (&str, &str) = ("allow(unsafe_code", "src/digest/multi_buffer.rs");

/// Modules that decide and do not act, and what they therefore never name.
const PURE: &[&str] = &["spec", "resolve", "plan", "script"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "rustix",
    "crate::fs",
];

/// The modules from the bottom up: each may use those of the rows above its own.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["path", "threads", "cancellation", "elf"],
    &["digest"],
    &["spec", "fs"],
    &["archive", "script", "outcome"],
    &["download"],
    &["environment", "source"],
    &["wheel"],
    &["store", "installed"],
    &["resolve", "plan"],
    &["index", "stage"],
    &["transaction", "pack"],
    &["command"],
    &["api", "progress", "results"],
    &["lib"],
    &["cli"],
    &["main"],
];
/// Uses that go up the layers and are meant.
const ALLOWED_USES: &[(&str, &str)] = &[("error", "path"), ("error", "digest")];
/// Modules that may use only these, whatever lies below them.
const NARROW: &[(&str, &[&str])] = &[
    ("fs", &["error", "cancellation", "threads"]),
    ("resolve", &["error", "path", "digest", "spec"]),
];

/// Macros that have no place in the code, test code included.
const REFUSED_MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// Attributes that have no place in the code, by how they begin. In parts, so that a text search
/// for them finds only real uses and not this list.
const REFUSED_ATTRIBUTES: &[&str] = &[
    "ignore",
    concat!("allow(", "clippy::too_many"),
    concat!("allow(", "clippy::cognitive_complexity"),
];
/// What would tie the project to one place. In two parts, or this file would name them itself.
const LEAKS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("../sha", "red"),
    concat!("iss", "ue #"),
];
const FILES_THAT_MAY_LEAK: &[&str] = &[
    ".ci",
    "src",
    "tests",
    "benches",
    "testdata",
    "examples",
    "docs",
    "Cargo.toml",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
];

/// Circles and repeated type names that are not yet opened and renamed; entries only leave.
const KNOWN_CIRCLES: &[&str] = &[];
const KNOWN_TWICE: &[&str] = &[];

#[test]
fn every_file_opens_with_its_head() {
    let bare = all_sources().iter();
    let bare = bare.filter(|source| !source.text.starts_with("//! "));
    none(bare.map(|source| format!("{}:1: no `//!` head", source.path)));
}

#[test]
fn no_file_is_too_long() {
    let long = all_sources()
        .iter()
        .filter(|source| source.text.lines().count() > MOST_LINES_IN_A_FILE);
    none(long.map(|source| {
        let most = MOST_LINES_IN_A_FILE;
        format!("{}:{}: the file is longer", source.path, most + 1)
    }));
}

#[test]
fn no_line_is_too_wide() {
    let mut found = Vec::new();
    for source in all_sources() {
        for (index, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > MOST_COLUMNS {
                found.push(format!("{}:{}: {columns} columns", source.path, index + 1));
            }
        }
    }
    none(found);
}

#[test]
fn no_function_is_too_long() {
    let mut found = Vec::new();
    for source in all_sources() {
        let long = source.functions.iter();
        let long = long.filter(|f| f.lines > most_lines(f) && !f.is_table);
        found.extend(long.map(|f| {
            format!(
                "{}:{}: `{}` has {} lines",
                source.path, f.line, f.name, f.lines
            )
        }));
    }
    none(found);
}

fn most_lines(function: &Function) -> usize {
    if function.test {
        MOST_LINES_IN_A_TEST
    } else {
        MOST_LINES_IN_A_FUNCTION
    }
}

#[test]
fn no_function_has_too_many_parameters() {
    let mut found = Vec::new();
    for source in all_sources() {
        let wide = source.functions.iter();
        let wide = wide.filter(|function| function.parameters > MOST_PARAMETERS);
        found.extend(wide.map(|f| {
            format!(
                "{}:{}: `{}` takes {}",
                source.path, f.line, f.name, f.parameters
            )
        }));
    }
    none(found);
}

#[test]
fn names_say_something() {
    let mut found = Vec::new();
    for source in all_sources() {
        let stem = source.path.trim_end_matches(".rs");
        if stem.split('/').any(|part| REFUSED_NAMES.contains(&part)) {
            found.push(format!("{}:1: a name that says nothing", source.path));
        }
        let vague = source.modules.iter();
        let vague = vague.filter(|(name, _)| REFUSED_NAMES.contains(&name.as_str()));
        found.extend(vague.map(|(name, line)| format!("{}:{line}: `{name}`", source.path)));
    }
    none(found);
}

#[test]
fn reserved_paths_are_named_only_in_their_modules() {
    let mut found = Vec::new();
    for source in library() {
        for (paths, homes) in RESERVED {
            let path = source.path.as_str();
            if homes
                .iter()
                .any(|home| path == *home || home.ends_with('/') && path.starts_with(home))
            {
                continue;
            }
            let named = source.named.iter();
            let named = named.filter(|named| !named.test && names_any(&named.path, paths));
            found.extend(named.map(
                |Named {
                     path: named, line, ..
                 }| {
                    format!("{path}:{line}: `{named}` belongs to {}", homes.join(", "))
                },
            ));
        }
    }
    none(found);
}

#[test]
fn unsafe_code_is_allowed_once() {
    let (text, home) = UNSAFE;
    let mut found: Vec<String> = Vec::new();
    for source in all_sources() {
        let attributes = source.attributes.iter();
        let attributes = attributes.filter(|(attribute, _)| attribute.starts_with(text));
        found.extend(attributes.map(|(_, line)| format!("{}:{line}", source.path)));
    }
    let [only] = &found[..] else {
        panic!("not once: {found:?}")
    };
    assert!(only.starts_with(home), "`{only}` belongs to {home}");
}

#[test]
fn pure_modules_do_no_io() {
    let mut found = Vec::new();
    for source in library().filter(|source| PURE.contains(&module(source))) {
        let named = source.named.iter();
        let named = named.filter(|named| !named.test && names_any(&named.path, IMPURE));
        found.extend(
            named.map(|named| format!("{}:{}: `{}` acts", source.path, named.line, named.path)),
        );
    }
    none(found);
}

#[test]
fn every_module_uses_only_those_below_it() {
    let mut found = Vec::new();
    for source in library() {
        let user = module(source);
        if layer(user).is_none() {
            found.push(format!(
                "{}:1: `{user}` has no layer; give it one in LAYERS",
                source.path
            ));
            continue;
        }
        for named in source.named.iter().filter(|named| !named.test) {
            let Some(used) = from_root(source, &named.path) else {
                continue;
            };
            if !may_use(user, &used) {
                found.push(format!(
                    "{}:{}: `{user}` may not use `{used}`",
                    source.path, named.line
                ));
            }
        }
    }
    none(found);
}

/// Two files that use each other, directly or through others, cannot be read one after the other.
/// A `mod.rs` and its own files are one unit: it declares them, and they use its types.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let uses = uses_between_files();
    let mut circles = Vec::new();
    for start in uses.keys() {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&str> = uses[start].iter().map(String::as_str).collect();
        while let Some(next) = waiting.pop() {
            if reached.insert(next)
                && let Some(further) = uses.get(next)
            {
                waiting.extend(further.iter().map(String::as_str));
            }
        }
        let known = KNOWN_CIRCLES.iter().any(|known| start.starts_with(known));
        if reached.contains(start.as_str()) && !known {
            let back: Vec<_> = uses[start]
                .iter()
                .filter(|next| reached.contains(next.as_str()))
                .cloned()
                .collect();
            circles.push(format!("{start}: in a circle through {}", back.join(", ")));
        }
    }
    none(circles);
}

#[test]
fn no_type_name_is_used_twice() {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in library() {
        for (name, line) in &source.types {
            let place = format!("{}:{line}", source.path);
            places.entry(name).or_default().push(place);
        }
    }
    let twice = places.into_iter();
    let twice = twice.filter(|(name, places)| places.len() > 1 && !KNOWN_TWICE.contains(name));
    none(twice.map(|(name, places)| format!("`{name}`: {}", places.join(", "))));
}

#[test]
fn nothing_is_left_undone_or_skipped() {
    let mut found = Vec::new();
    for source in all_sources() {
        let named = source.named.iter();
        let macros = named.filter(|named| REFUSED_MACROS.contains(&named.path.as_str()));
        found.extend(
            macros.map(|named| format!("{}:{}: `{}`", source.path, named.line, named.path)),
        );
        let attributes = source.attributes.iter().filter(|(text, _)| {
            REFUSED_ATTRIBUTES
                .iter()
                .any(|refused| text.starts_with(refused))
        });
        found.extend(attributes.map(|(text, line)| format!("{}:{line}: `{text}`", source.path)));
    }
    none(found);
}

#[test]
fn no_test_sleeps() {
    let mut found = Vec::new();
    for source in all_sources() {
        let named = source.named.iter();
        let sleeps = named.filter(|named| named.test && named.path.ends_with("thread::sleep"));
        found.extend(
            sleeps.map(|named| format!("{}:{}: waits for time to pass", source.path, named.line)),
        );
    }
    none(found);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut found = Vec::new();
    for (path, text) in text_files(FILES_THAT_MAY_LEAK) {
        for (index, line) in text.lines().enumerate() {
            let leaks = LEAKS.iter();
            let leaks = leaks.filter(|leak| line.to_lowercase().contains(**leak));
            found.extend(leaks.map(|leak| format!("{path}:{}: `{leak}`", index + 1)));
        }
    }
    none(found);
}

/// `r129_a_failed_flush_…` shows rule R129, and so on; every id has to be in `docs/rules`.
#[test]
fn rule_ids_in_test_names_exist() {
    let rules: BTreeSet<String> = text_files(&["docs/rules"])
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.strip_prefix("| ")?.split_once(' '))
        .map(|(id, _)| id.to_ascii_lowercase())
        .collect();
    assert!(rules.len() > 300, "only {} rules are known", rules.len());
    let mut found = Vec::new();
    for source in all_sources() {
        for function in source.functions.iter().filter(|function| function.test) {
            let ids = function.name.split('_').filter(|word| is_rule_id(word));
            let ids = ids.map(|id| format!("{}{}", &id[..1], id[1..].trim_start_matches('0')));
            let unknown = ids.filter(|id| !rules.contains(id));
            found.extend(
                unknown.map(|id| format!("{}:{}: no rule `{id}`", source.path, function.line)),
            );
        }
    }
    none(found);
}

fn is_rule_id(word: &str) -> bool {
    let digits = word.strip_prefix(['c', 'e', 'r']).unwrap_or_default();
    digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn the_changelog_knows_this_version() {
    let (_, changelog) = &text_files(&["CHANGELOG.md"])[0];
    let heading = format!("\n## {}", env!("CARGO_PKG_VERSION"));
    assert!(changelog.contains(&heading), "no section `{heading}`");
}

#[test]
fn the_architecture_page_describes_every_module() {
    let (_, page) = &text_files(&["ARCHITECTURE.md"])[0];
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let modules: BTreeSet<&str> = library().map(module).collect();
    let modules = modules
        .into_iter()
        .filter(|name| !["check", "lib", "main"].contains(name));
    let missing = modules.filter(|name| {
        let cell = format!("| `{name}` |");
        !rows.iter().any(|row| row.contains(&cell))
    });
    none(missing.map(|name| format!("ARCHITECTURE.md: no row for `{name}`")));
}

/// Fails with every line that is found.
#[track_caller]
fn none(found: impl IntoIterator<Item = String>) {
    let found: Vec<String> = found.into_iter().collect();
    assert!(
        found.is_empty(),
        "{} broken:\n{}\n",
        found.len(),
        found.join("\n")
    );
}

/// Whether the path is one of `paths` or lies in one; also by its last two names (`env::var`).
fn names_any(path: &str, paths: &[&str]) -> bool {
    paths.iter().any(|full| {
        let short = full
            .strip_prefix("std::")
            .filter(|short| short.contains("::"));
        [Some(*full), short].into_iter().flatten().any(|listed| {
            path.strip_prefix(listed)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    })
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn may_use(user: &str, used: &str) -> bool {
    if user == used || ALLOWED_USES.contains(&(user, used)) {
        return true;
    }
    if let Some((_, only)) = NARROW.iter().find(|(name, _)| *name == user) {
        return only.contains(&used);
    }
    match (layer(user), layer(used)) {
        (Some(user), Some(used)) => used < user,
        // Names that are re-exported at the root belong to the root.
        (Some(above), None) => above > layer("lib").unwrap_or_default(),
        _ => false,
    }
}
