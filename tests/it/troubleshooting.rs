//! The page about errors and warnings has an entry for each code, and no other entries.

use pkg_install::error::{CODES, WARNING_CODES};

const PAGE: &str = include_str!("../../docs/troubleshooting.md");

/// The entries of the page, each its heading without backticks and its text on one line.
fn entries() -> Vec<(String, String)> {
    let sections = PAGE.split("\n### ").skip(1);
    let entry = |section: &str| {
        let (heading, text) = section.split_once('\n').expect("a heading has a text");
        // The last entry of a group is followed by the heading of the next group.
        let text = text.split("\n## ").next().unwrap_or(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        (heading.replace('`', ""), words.join(" "))
    };
    sections.map(entry).collect()
}

#[test]
fn every_code_has_an_entry_and_every_entry_a_code_in_the_order_of_the_tables() {
    let errors = CODES.iter().map(|(code, _)| (*code).to_owned());
    let warnings = WARNING_CODES.iter();
    let warnings = warnings.map(|(code, _)| format!("Warning {code}"));
    let known: Vec<String> = errors.chain(warnings).collect();
    let listed: Vec<String> = entries().into_iter().map(|(heading, _)| heading).collect();
    let missing: Vec<&String> = known.iter().filter(|one| !listed.contains(one)).collect();
    let unknown: Vec<&String> = listed.iter().filter(|one| !known.contains(one)).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "docs/troubleshooting.md lacks {missing:?}; these are no codes: {unknown:?}"
    );
    assert_eq!(listed, known, "the entries are in another order");
}

#[test]
fn each_entry_says_what_happened_in_what_state_things_are_and_what_to_do() {
    let errors = CODES.iter().map(|(_, meaning)| *meaning);
    let meanings = errors.chain(WARNING_CODES.iter().map(|(_, meaning)| *meaning));
    for ((heading, text), meaning) in entries().iter().zip(meanings) {
        assert!(text.starts_with(meaning), "{heading}: {text}");
        let (_, rest) = text.split_once(" - State: ").expect(heading);
        let (state, advice) = rest.split_once(" - What to do: ").expect(heading);
        for sentence in [state, advice] {
            assert!(
                sentence.len() >= 8 && sentence.ends_with('.'),
                "{heading}: {sentence}"
            );
        }
    }
}
