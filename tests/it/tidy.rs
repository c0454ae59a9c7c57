//! The house rules, as tests on the source text: heads, sizes, names, doors, layers.
//!
//! The rules stand in the constants below; a failing test names file and line. Who needs an
//! exception changes a constant, where a reviewer sees it. See [`source_text`](crate::source_text)
//! for what is seen of the code.

use crate::source_text::{Named, Source, sources, text_files};

const EVERYWHERE: &[&str] = &["src", "tests", "benches"];
const MOST_LINES_IN_A_FILE: usize = 710;
const MOST_LINES_IN_A_FUNCTION: usize = 140;
const MOST_PARAMETERS: usize = 5;

/// Names of files and modules that say nothing.
const REFUSED_NAMES: &[&str] = &[
    "utils", "util", "helpers", "common", "manager", "core", "types", "prelude", "misc",
];

/// Where the one door to a danger is: what is named, and the files, or directories with a final
/// slash, that may.
const DOORS: &[(&[&str], &[&str])] = &[
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
        &["src/archive.rs", "src/archive/"],
    ),
    (&["ureq"], &["src/download/"]),
    (&["rayon"], &["src/threads.rs"]),
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

/// What lifts the ban on unsafe code, and the one file that does so once.
const UNSAFE: (&str, &str) = (concat!("unsafe", "_code"), "src/digest/multi_buffer.rs");

/// Modules that decide and do not act, and what they therefore never name.
const PURE: &[&str] = &["spec", "plan", "script"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "rustix",
    "crate::fs",
];
/// Plain data that looking at the file system returns: deciding from it is what the pure modules
/// are for.
const PLAIN: &[&str] = &["crate::fs::Kind", "crate::fs::Stat"];

/// The modules from the bottom up: each may use those of the rows above its own.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["path", "threads"],
    &["digest"],
    &["spec", "fs"],
    &["archive", "script", "outcome"],
    &["download"],
    &["environment", "source"],
    &["wheel"],
    &["plan"],
    &["stage"],
    &["transaction", "check"],
    &["command", "fuzzing", "lib"],
    &["cli"],
    &["main"],
];
/// Uses that the layers refuse and that are meant.
const ALLOWED_USES: &[(&str, &str)] = &[("error", "path"), ("error", "digest")];
/// Modules that may use only these, whatever lies below them.
const NARROW: &[(&str, &[&str])] = &[("fs", &["error"])];

/// What has no place in the code, test code too.
const REFUSED_MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// In two halves like the leaks below: this is the list that refuses them, not a use of one.
const REFUSED_CODE: &[&str] = &[
    concat!("#[", "ignore"),
    concat!("clippy::", "too_many"),
    concat!("clippy::", "cognitive_complexity"),
];
/// What would tie the project to one place. In two halves, or this file would name them itself.
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
    "Cargo.toml",
    "README.md",
];

#[test]
fn every_file_opens_with_its_head() {
    let bare = sources(EVERYWHERE)
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    none(bare.map(|source| format!("{}:1: no `//!` head", source.path)));
}

#[test]
fn no_file_is_too_long() {
    let sizes = sources(EVERYWHERE)
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path));
    let long = sizes.filter(|(lines, _)| *lines > MOST_LINES_IN_A_FILE);
    none(
        long.map(|(lines, path)| format!("{path}:{lines}: more than {MOST_LINES_IN_A_FILE} lines")),
    );
}

#[test]
fn no_function_is_too_long() {
    none(sources(EVERYWHERE).iter().flat_map(|source| {
        let long = source
            .functions()
            .into_iter()
            .filter(|function| function.lines > MOST_LINES_IN_A_FUNCTION);
        long.map(|f| {
            format!(
                "{}:{}: `{}` has {} lines",
                source.path, f.line, f.name, f.lines
            )
        })
        .collect::<Vec<_>>()
    }));
}

#[test]
fn no_function_has_too_many_parameters() {
    none(sources(EVERYWHERE).iter().flat_map(|source| {
        let wide = source
            .functions()
            .into_iter()
            .filter(|function| function.parameters > MOST_PARAMETERS);
        wide.map(|f| {
            format!(
                "{}:{}: `{}` takes {}",
                source.path, f.line, f.name, f.parameters
            )
        })
        .collect::<Vec<_>>()
    }));
}

#[test]
fn names_say_something() {
    let mut found = Vec::new();
    for source in sources(EVERYWHERE) {
        let stem = source.path.trim_end_matches(".rs");
        if stem.split('/').any(|part| REFUSED_NAMES.contains(&part)) {
            found.push(format!("{}:1: a name that says nothing", source.path));
        }
        for (line, code) in source.code_lines() {
            let module = code
                .split_once("mod ")
                .map(|(_, rest)| rest.trim_end_matches([';', '{', ' ']));
            if module.is_some_and(|name| REFUSED_NAMES.contains(&name)) {
                found.push(format!("{}:{line}: a name that says nothing", source.path));
            }
        }
    }
    none(found);
}

#[test]
fn every_danger_has_one_door() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        for (dangers, doors) in DOORS {
            if doors
                .iter()
                .any(|fs| source.path == *fs || fs.ends_with('/') && source.path.starts_with(fs))
            {
                continue;
            }
            let named = source
                .named()
                .into_iter()
                .filter(|named| !named.test && names_any(&named.path, dangers));
            found.extend(named.map(|Named { path, line, .. }| {
                format!(
                    "{}:{line}: `{path}` belongs to {}",
                    source.path,
                    doors.join(", ")
                )
            }));
        }
    }
    none(found);
}

#[test]
fn unsafe_has_one_door() {
    let (text, fs) = UNSAFE;
    let mut found: Vec<String> = Vec::new();
    for source in sources(EVERYWHERE) {
        let lines = source.code_lines().filter(|(_, code)| code.contains(text));
        found.extend(lines.map(|(line, _)| format!("{}:{line}", source.path)));
    }
    let [only] = &found[..] else {
        panic!("not once: {found:?}")
    };
    assert!(only.starts_with(fs), "`{only}` belongs to {fs}");
}

#[test]
fn what_decides_does_not_act() {
    let mut found = Vec::new();
    for source in sources(&["src"])
        .iter()
        .filter(|source| PURE.contains(&module(source)))
    {
        let named = source.named().into_iter().filter(|named| {
            !named.test && names_any(&named.path, IMPURE) && !PLAIN.contains(&named.path.as_str())
        });
        found.extend(
            named.map(|named| format!("{}:{}: `{}` acts", source.path, named.line, named.path)),
        );
    }
    none(found);
}

#[test]
fn every_module_uses_only_those_below_it() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        let user = module(&source);
        if layer(user).is_none() {
            found.push(format!(
                "{}:1: `{user}` has no layer; give it one in LAYERS",
                source.path
            ));
            continue;
        }
        for named in source.named().into_iter().filter(|named| !named.test) {
            let Some(used) = from_root(&source, &named.path) else {
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

#[test]
fn nothing_is_left_undone_or_skipped() {
    let mut found = Vec::new();
    for source in sources(EVERYWHERE) {
        let named = source.named();
        let refused = named
            .iter()
            .filter(|named| REFUSED_MACROS.contains(&named.path.as_str()));
        found.extend(
            refused.map(|named| format!("{}:{}: `{}`", source.path, named.line, named.path)),
        );
        for (line, code) in source.code_lines() {
            let refused = REFUSED_CODE.iter().filter(|text| code.contains(**text));
            found.extend(refused.map(|text| format!("{}:{line}: `{text}`", source.path)));
        }
    }
    none(found);
}

#[test]
fn no_test_sleeps() {
    let mut found = Vec::new();
    for source in sources(EVERYWHERE) {
        let named = source
            .named()
            .into_iter()
            .filter(|named| named.test && named.path.ends_with("thread::sleep"));
        found.extend(
            named.map(|named| format!("{}:{}: waits for time to pass", source.path, named.line)),
        );
    }
    none(found);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut found = Vec::new();
    for (path, text) in text_files(FILES_THAT_MAY_LEAK) {
        for (index, line) in text.lines().enumerate() {
            let leaks = LEAKS
                .iter()
                .filter(|leak| line.to_lowercase().contains(**leak));
            found.extend(leaks.map(|leak| format!("{path}:{}: `{leak}`", index + 1)));
        }
    }
    none(found);
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

/// Whether the path is one of `dangers` or lies in one; also where it is named by its last two
/// names (`env::var`).
fn names_any(path: &str, dangers: &[&str]) -> bool {
    dangers.iter().any(|danger| {
        let short = danger
            .strip_prefix("std::")
            .filter(|short| short.contains("::"));
        [Some(*danger), short].into_iter().flatten().any(|danger| {
            path.strip_prefix(danger)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    })
}

/// The top-level module that a file of `src` belongs to.
fn module(source: &Source) -> &str {
    let inner = source
        .path
        .trim_start_matches("src/")
        .trim_end_matches(".rs");
    inner.split('/').next().unwrap_or(inner)
}

/// The name that a path takes from the crate's root, by `crate::` or by enough `super::`.
fn from_root(source: &Source, path: &str) -> Option<String> {
    let inner = source
        .path
        .trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod");
    let depth = inner.split('/').count();
    let ups = path.split("::").take_while(|name| *name == "super").count();
    let rest = match path.strip_prefix("crate::") {
        Some(rest) => rest.to_owned(),
        None if ups >= depth => path.split("::").skip(ups).collect::<Vec<_>>().join("::"),
        None => return None,
    };
    let name = rest.split("::").next().unwrap_or_default();
    (!name.is_empty() && !name.ends_with('!')).then(|| name.to_owned())
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
        // What is re-exported at the root is the root's.
        (Some(above), None) => above > layer("lib").unwrap_or_default(),
        _ => false,
    }
}
