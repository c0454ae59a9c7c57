//! Manual pages: one for the program and one for each command.
//!
//! Names, usages and options come from the definitions of the arguments, so that they are those of
//! `--help`. What follows them is written here: [`examples`] has the examples, and the exit codes
//! and variables are those of the long help.

mod examples;

use clap::Command;
use clap_mangen::Man;
use roff::{Inline, Roff, bold, italic, roman};

use super::help;

/// The date of the last change of the pages that matters to readers.
const CHANGED: &str = "2026-11-26";

/// The files that the program reads and writes: where they are, and what they hold.
const FILES: &[(&str, &str)] = &[
    (
        "~/.cache/pkg-install",
        "Downloaded wheels and pages of indexes; below $XDG_CACHE_HOME if that is set, or in the \
         directory of --cache-dir.",
    ),
    (
        "ENVIRONMENT/.lock",
        "Held while a command changes the environment; uv takes the same lock.",
    ),
    (
        "SITE-PACKAGES/.pkg-install",
        "The journal and the private directories of a transaction, and what undo needs.",
    ),
    (
        "pip.conf",
        "Names the indexes if no option does; found in pip's order.",
    ),
    ("~/.netrc", "Logins of servers; $NETRC names another file."),
];

/// The page of each command with the name of its file; that of the program comes first.
pub fn pages(program: &Command) -> Vec<(String, String)> {
    let mut commands = vec![program];
    let mut pages = Vec::new();
    while let Some(command) = commands.pop() {
        pages.push((format!("{}.1", title(command)), page(program, command)));
        commands.extend(command.get_subcommands());
    }
    pages[1..].sort();
    pages
}

/// The page of a command of the program, or of the program itself.
pub fn page(program: &Command, command: &Command) -> String {
    let version = program.get_version().unwrap_or_default();
    // A page has room for the options that the short help leaves out.
    let shown = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let generated = Man::new(shown)
        .title(title(command).to_uppercase())
        .date(CHANGED)
        .source(format!("{} {version}", program.get_name()))
        .manual("Installing Python wheels");
    let mut text = Vec::new();
    let written = generated
        .render_title(&mut text)
        .and_then(|()| generated.render_name_section(&mut text))
        .and_then(|()| generated.render_synopsis_section(&mut text))
        .and_then(|()| generated.render_description_section(&mut text))
        .and_then(|()| generated.render_options_section(&mut text));
    written.expect("a vector takes every write");
    let mut rest = Roff::new();
    commands(&mut rest, command);
    exit_status(&mut rest);
    environment(&mut rest);
    files(&mut rest);
    show_examples(&mut rest, command);
    see_also(&mut rest, program, command);
    rest.to_writer(&mut text)
        .expect("a vector takes every write");
    let text = String::from_utf8(text).expect("the page is made of strings");
    // An empty line between two breaks is what `sp` is for, and mandoc warns about the rest.
    text.replace("\n.br\n\n.br\n", "\n.sp\n")
        .replace("\n\n.br\n", "\n.sp\n")
}

/// The words of the command, joined as in the name of its page: `pkg-install-cache-prune`.
fn title(command: &Command) -> String {
    let words = command.get_bin_name().unwrap_or(command.get_name());
    words.replace(' ', "-")
}

fn commands(page: &mut Roff, command: &Command) {
    if !command.has_subcommands() {
        return;
    }
    page.control("SH", ["COMMANDS"]);
    for inner in command.get_subcommands() {
        let about = inner.get_about().map(ToString::to_string);
        let name = vec![bold(title(inner)), roman("(1)")];
        tagged(page, name, &about.unwrap_or_default());
    }
}

fn exit_status(page: &mut Roff) {
    page.control("SH", ["EXIT STATUS"]);
    let lines = section("Exit codes:");
    for line in lines {
        match line.strip_prefix("  ") {
            // A code and its meaning; further lines of a meaning are indented more.
            Some(row) if row.starts_with(|letter: char| letter.is_ascii_digit()) => {
                let (code, meaning) = row.split_once("  ").unwrap_or((row, ""));
                tagged(page, vec![bold(code)], meaning.trim());
            }
            Some(row) if row.starts_with(' ') => {
                page.text([roman(row.trim())]);
            }
            _ => {
                page.control("PP", []);
                page.text([roman(line.trim())]);
            }
        }
    }
}

fn environment(page: &mut Roff) {
    page.control("SH", ["ENVIRONMENT"]);
    for line in section("Variables:") {
        page.text([roman(line.trim())]);
    }
}

fn files(page: &mut Roff) {
    page.control("SH", ["FILES"]);
    for (file, holds) in FILES {
        tagged(page, vec![italic(*file)], holds);
    }
}

fn show_examples(page: &mut Roff, command: &Command) {
    let of_command = examples::of(&title(command));
    if of_command.is_empty() {
        return;
    }
    page.control("SH", ["EXAMPLES"]);
    for (number, (typed, does)) in of_command.iter().enumerate() {
        // The heading begins a paragraph already.
        if number > 0 {
            page.control("PP", []);
        }
        page.text([roman(*does)]);
        page.control("PP", []);
        page.control("RS", ["4"]);
        page.control("nf", []);
        for line in typed.lines() {
            page.text([roman(line)]);
        }
        page.control("fi", []);
        page.control("RE", []);
    }
}

fn see_also(page: &mut Roff, program: &Command, command: &Command) {
    page.control("SH", ["SEE ALSO"]);
    let mut names = vec![title(program)];
    names.extend(program.get_subcommands().map(title));
    names.retain(|name| *name != title(command));
    let last = names.len() - 1;
    for (number, name) in names.iter().enumerate() {
        let comma = if number < last { "(1)," } else { "(1)" };
        page.text([bold(name), roman(comma)]);
    }
}

/// A paragraph below a tag.
fn tagged(page: &mut Roff, tag: Vec<Inline>, text: &str) {
    page.control("TP", []);
    page.text(tag);
    page.text([roman(text)]);
}

/// The lines of a section of the long help, up to the next empty line.
fn section(heading: &str) -> Vec<&'static str> {
    let lines = help::AFTER_LONG.lines();
    lines
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::Cli;

    fn program() -> Command {
        let mut program = Cli::command();
        program.build();
        program
    }

    #[test]
    fn every_command_has_a_page_with_all_sections_and_its_options() {
        let program = program();
        let pages = pages(&program);
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "pkg-install.1");
        for name in [
            "pkg-install-install.1",
            "pkg-install-undo.1",
            "pkg-install-man.1",
        ] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        for (name, page) in &pages {
            let sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"];
            let sections = sections.into_iter().chain(["FILES", "SEE ALSO"]);
            for part in sections.chain(["EXIT STATUS", "ENVIRONMENT", "EXAMPLES"]) {
                let quoted = format!(".SH \"{part}\"\n");
                let plain = format!(".SH {part}\n");
                assert!(
                    page.contains(&quoted) || page.contains(&plain),
                    "{name} has no {part}:\n{page}"
                );
            }
        }
        let (_, install) = &pages[names
            .iter()
            .position(|name| *name == "pkg-install-install.1")
            .expect("it is there")];
        assert!(install.contains("on\\-conflict"), "{install}");
        assert!(install.contains("\\fB7\\fR"), "{install}");
    }

    #[test]
    fn every_example_of_a_page_is_a_command_that_is_understood() {
        let program = program();
        for (name, of_command) in examples::ALL {
            for typed in of_command.iter().flat_map(|(typed, _)| typed.lines()) {
                let words = shlex::split(typed).expect("it is quoted as in a shell");
                // What follows is for the shell.
                let words = words.split(|word| ["|", ">", "&&"].contains(&&**word));
                let words = words.take(1).flatten();
                let parsed = program.clone().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{name}: {typed}: {:?}", parsed.err());
                assert!(name.starts_with("pkg-install"), "{name}");
            }
        }
    }
}
