//! What is preferred among right answers, and what the options change.

use super::super::{ResolutionWarning, Via};
use super::scenario::{Scenario, project, shown, solved, version};

#[test]
fn what_is_installed_and_fits_stays_and_costs_nothing() {
    let scenario = Scenario::read(
        "\n want a\n want b>1\n installed a 1\n installed c 1\n have a 1\n needs c\n have a 2\n \
         have c 1\n have c 2\n have b 2\n needs c>=1",
    );
    let answer = scenario.solve().expect("an answer");
    let found: Vec<_> = answer
        .projects
        .iter()
        .map(|found| {
            (
                found.name.to_string(),
                found.version.clone(),
                found.is_installed,
            )
        })
        .collect();
    let expected = [("a", "1", true), ("b", "2", false), ("c", "1", true)];
    let expected = expected.map(|(name, text, there)| (name.to_owned(), version(text), there));
    assert_eq!(found, expected);
    let asked = scenario.memory.asked.borrow();
    assert_eq!(asked.pages.iter().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn what_is_installed_is_kept_even_if_no_index_has_it() {
    let installed = "installed a 3.0+local\n installed b 1rc1\n";
    let exist = "have a 3.0+local\n have b 1rc1\n have b 1\n needs a>=3";
    let scenario = |more: &str| {
        let mut scenario =
            Scenario::read(&format!("\n want a\n want b\n {installed} {exist} {more}"));
        scenario.memory.pages.remove(&project("a"));
        scenario.solved()
    };
    assert_eq!(scenario(""), "a 3.0+local, b 1rc1");
    assert_eq!(scenario("\n upgrade everything"), "a 3.0+local, b 1");
}

#[test]
fn an_installed_version_that_does_not_fit_is_replaced() {
    let exist = "have a 1\n have a 2\n have a 3";
    assert_eq!(
        solved(&format!("\n want a>1,<3\n installed a 1\n {exist}")),
        "a 2"
    );
    assert_eq!(
        solved(&format!("\n want a\n installed a 3\n {exist}")),
        "a 3"
    );
    assert_eq!(
        solved(&format!("\n want a<3\n installed a 3\n {exist}")),
        "a 2"
    );
}

#[test]
fn an_upgrade_changes_only_what_its_strategy_names() {
    let text = |option: &str| {
        format!(
            "\n want a\n {option}\n installed a 1\n installed b 1\n installed c 1\n have a 1\n \
             needs b\n have a 2\n needs b\n needs c>=2\n have b 1\n have b 2\n have c 1\n \
             have c 2\n have c 3"
        )
    };
    assert_eq!(solved(&text("no-deps")), "a 1");
    assert_eq!(solved(&text("")), "a 1, b 1");
    assert_eq!(solved(&text("upgrade roots")), "a 2, b 1, c 3");
    assert_eq!(solved(&text("upgrade everything")), "a 2, b 2, c 3");
}

#[test]
fn an_upgrade_keeps_the_installed_version_if_it_is_the_newest() {
    let text = "\n want a\n upgrade roots\n installed a 2\n have a 1\n have a 2";
    let answer = Scenario::read(text).solve().expect("an answer");
    assert!(answer.projects[0].is_installed);
}

#[test]
fn without_dependencies_only_the_roots_are_resolved_and_fit_the_interpreter() {
    let text = "\n no-deps\n want a[x]\n have a 1\n extra x\n needs b\n needs c; extra == 'x'\n";
    assert_eq!(solved(text), "a 1");
    let newer = "have a 2 metadata-python >=3.13\n needs b";
    assert_eq!(solved(&format!("{text}{newer}")), "a 1");
}

#[test]
fn requires_python_counts_with_its_upper_bound_from_the_page_and_from_metadata() {
    for word in ["python", "metadata-python"] {
        let text = format!("\n want a\n have a 1\n have a 2 {word} <3.12\n have a 3 {word} >=3.13");
        assert_eq!(solved(&text), "a 1", "{word}");
    }
    // What is installed runs already.
    let text = "\n want a\n installed a 2\n have a 1\n have a 2 metadata-python <3.12";
    assert_eq!(solved(text), "a 2");
}

#[test]
fn final_releases_come_before_prereleases_unless_those_are_asked_for() {
    let exist = "have a 1\n have a 2rc1\n have a 1.5.dev1\n have b 1a1\n have b 1a2";
    assert_eq!(
        solved(&format!("\n want a\n want b\n {exist}")),
        "a 1, b 1a2"
    );
    assert_eq!(solved(&format!("\n want a>1\n {exist}")), "a 2rc1");
    assert_eq!(solved(&format!("\n want a>=1rc1\n {exist}")), "a 1");
    assert_eq!(
        solved(&format!("\n want a\n prereleases\n {exist}")),
        "a 2rc1"
    );
    assert_eq!(
        solved(&format!("\n want a<2\n prereleases\n {exist}")),
        "a 1.5.dev1"
    );
}

#[test]
fn a_yanked_version_needs_a_pin_of_the_command_and_is_reported() {
    let exist = "have a 1\n have a 2 yanked\n have b 1\n needs a==2";
    assert_eq!(solved(&format!("\n want a\n {exist}")), "a 1");
    assert_eq!(solved(&format!("\n want a>1\n {exist}")), "no-such-version");
    assert_eq!(solved(&format!("\n want b\n {exist}")), "no-such-version");
    assert_eq!(
        solved(&format!("\n want b\n constrain a==2\n {exist}")),
        "a 2, b 1"
    );
    let answer = Scenario::read(&format!("\n want a===2\n {exist}"))
        .solve()
        .expect("an answer");
    assert_eq!(
        answer.warnings,
        [ResolutionWarning::Yanked {
            name: project("a"),
            version: version("2"),
            reason: "broken".to_owned(),
        }]
    );
}

#[test]
fn a_pin_allows_local_versions_and_prefers_them() {
    let exist = "have a 1\n have a 1+cpu\n have a 1.post1";
    assert_eq!(solved(&format!("\n want a==1\n {exist}")), "a 1+cpu");
    assert_eq!(solved(&format!("\n want a==1+cpu\n {exist}")), "a 1+cpu");
    assert_eq!(solved(&format!("\n want a===1\n {exist}")), "a 1");
    assert_eq!(solved(&format!("\n want a>1\n {exist}")), "no-such-version");
}

#[test]
fn constraints_limit_but_never_add() {
    let exist = "have a 1\n needs b\n have b 1\n have b 2\n have c 1";
    assert_eq!(
        solved(&format!(
            "\n want a\n constrain B<2\n constrain c\n {exist}"
        )),
        "a 1, b 1"
    );
    assert_eq!(
        solved(&format!(
            "\n want a\n constrain b<2; python_version < '3'\n {exist}"
        )),
        "a 1, b 2"
    );
    assert_eq!(
        solved(&format!("\n want a\n constrain b>2\n {exist}")),
        "no-such-version"
    );
}

#[test]
fn an_address_is_taken_only_from_the_command() {
    let exist = "have a 1\n needs b @ http://h/b-2-py3-none-any.whl\n have b 2";
    assert_eq!(solved(&format!("\n want a\n {exist}")), "no-solution");
    let both = "\n want a\n want b @ http://h/b-2-py3-none-any.whl\n";
    assert_eq!(solved(&format!("{both}{exist}")), "a 1, b 2");
    let limited = "\n want a\n constrain b @ http://h/b-2-py3-none-any.whl\n";
    let answer = Scenario::read(&format!("{limited}{exist}"))
        .solve()
        .expect("an answer");
    assert_eq!(
        answer.projects[1].url.as_deref(),
        Some("http://h/b-2-py3-none-any.whl")
    );
    let other = "\n want a\n want b @ http://h/b-1-py3-none-any.whl\n";
    assert_eq!(solved(&format!("{other}{exist}")), "no-solution");
    // An installed version of that name came from elsewhere.
    let text = format!("{both}installed b 1\n have b 1\n {exist}");
    assert!(
        Scenario::read(&text)
            .solve()
            .is_ok_and(|answer| !answer.projects[1].is_installed)
    );
}

#[test]
fn an_extra_adds_its_requirements_in_the_version_of_its_project() {
    let exist = "have a 1\n extra x\n needs c; extra == 'X'\n have a 2\n extra x\n \
                 needs d>=5; extra == 'x'\n have b 1\n needs a[x]\n have c 1\n have d 1";
    assert_eq!(solved(&format!("\n want a\n {exist}")), "a 2");
    assert_eq!(solved(&format!("\n want a[X]\n {exist}")), "a 1, c 1");
    assert_eq!(
        solved(&format!("\n want a\n want b\n {exist}")),
        "a 1, b 1, c 1"
    );
    let answer = Scenario::read(&format!("\n want b\n {exist}"))
        .solve()
        .expect("an answer");
    assert_eq!(answer.projects[0].extras, ["x"]);
    assert_eq!(answer.projects[0].via, [Via::Project(project("b"))]);
    assert_eq!(answer.projects[0].needs, [project("c")]);
}

#[test]
fn an_extra_may_need_other_extras_of_its_project() {
    let text = "\n want a[all]\n have a 1\n extra all\n extra x\n extra y\n \
                needs a[x,y]; extra == 'all'\n needs b; extra == 'x'\n needs c; extra == 'y'\n \
                have b 1\n have c 1";
    let answer = Scenario::read(text).solve().expect("an answer");
    assert_eq!(shown(&answer), "a 1, b 1, c 1");
    assert_eq!(answer.projects[0].extras, ["all", "x", "y"]);
}

#[test]
fn a_missing_extra_is_a_warning() {
    let text = "\n want a[nope]\n have a 1\n extra nope\n have a 2";
    let answer = Scenario::read(text).solve().expect("an answer");
    assert_eq!(answer.projects[0].version, version("2"));
    assert_eq!(
        answer.warnings,
        [ResolutionWarning::MissingExtra {
            name: project("a"),
            version: version("2"),
            extra: "nope".to_owned(),
        }]
    );
}

#[test]
fn projects_may_need_each_other_and_themselves() {
    let text =
        "\n want a\n have a 1\n needs b\n needs a\n have b 1\n needs c\n have c 1\n needs a>=1";
    assert_eq!(solved(text), "a 1, b 1, c 1");
    // A version that needs another one of itself cannot be installed.
    assert_eq!(solved("\n want a\n have a 1\n have a 2\n needs a<2"), "a 1");
}

#[test]
fn a_version_with_unreadable_metadata_is_skipped() {
    assert_eq!(solved("\n want a\n have a 1\n have a 2 unreadable"), "a 1");
    assert_eq!(
        solved("\n want a==2\n have a 1\n have a 2 unreadable"),
        "no-solution"
    );
}

#[test]
fn a_marker_that_does_not_hold_leaves_its_line_out() {
    let text = "\n want a; sys_platform == 'win32'\n want b\n have b 1\n \
                needs c; python_version < '3'\n needs d; os_name == 'posix'\n have d 1";
    assert_eq!(solved(text), "b 1, d 1");
}
