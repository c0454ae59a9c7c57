//! What a failed resolution says, and which ways out it names.

use super::scenario::Scenario;
use crate::error::{Advice, Finding, NoSolution};

fn proof(text: &str) -> NoSolution {
    let error = Scenario::read(text).solve().expect_err("no answer");
    error.no_solution().expect("a proof").clone()
}

/// Checks finding and steps.
#[track_caller]
fn explains(text: &str, finding: &Finding, steps: &[&str]) {
    let proof = proof(text);
    assert_eq!(proof.steps, steps);
    assert_eq!(proof.finding, *finding);
}

#[test]
fn a_contradiction_names_what_needs_what_and_the_lines_of_the_command() {
    explains(
        "\n want numpy>=2.1,<2.2\n want numba <= 0.60, >0.1\n have numpy 2.1\n have numpy 2.0\n \
         have numba 0.60.0\n needs numpy<2.1,>=1.22\n have numba 0.59\n needs numpy<2.1,>=1.22\n \
         have numba 0.58\n needs numpy <2.1,>=1.22\n have numba 0.57\n needs numpy<1\n \
         have numba 0.1",
        &Finding::Contradiction,
        &[
            "numba 0.60.0 needs numpy <2.1, >=1.22, and so do 0.58 and 0.59, numba 0.57 needs \
             numpy <1",
            "you want numpy >=2.1, <2.2 (requirements.in:1) and numba <=0.60, >0.1 \
             (requirements.in:2)",
        ],
    );
    explains(
        "\n want a\n want b\n have a 1\n needs c==1\n have b 1\n needs c==2\n have c 1\n have c 2",
        &Finding::Contradiction,
        &[
            "a 1 needs c ==1",
            "b 1 needs c ==2",
            "you want a (requirements.in:1) and b (requirements.in:2)",
        ],
    );
}

#[test]
fn what_an_extra_needs_through_other_extras_is_its_own_need() {
    explains(
        "\n want a[all]\n have a 1\n extra all\n extra x\n needs a[x]; extra == 'all'\n \
         needs gone>1; extra == 'x'",
        &Finding::UnknownProject("gone".to_owned()),
        &[
            "a[all] 1 needs gone >1; you want a[all] (requirements.in:1)",
            "no index has a project gone",
        ],
    );
}

#[test]
fn lines_that_contradict_each_other_are_named_before_anything_is_looked_up() {
    let text = "\n want a\n want a>2\n want b\n constrain a<2";
    let steps = [
        "you want a (requirements.in:1) and a >2 (requirements.in:2), and allow only a <2 \
                  (constraints.txt:1)",
    ];
    explains(text, &Finding::Contradiction, &steps);
    let scenario = Scenario::read(text);
    assert!(scenario.solve().is_err() && scenario.memory.asked.borrow().pages.is_empty());
    explains(
        "\n want a>2,<1",
        &Finding::Contradiction,
        &["you want a >2, <1 (requirements.in:1)"],
    );
    explains(
        "\n want a @ http://u:p@h/a\n want a @ http://h/b",
        &Finding::Contradiction,
        &["you want a @ http://h/a (requirements.in:1) and a @ http://h/b (requirements.in:2)"],
    );
}

#[test]
fn versions_without_a_usable_wheel_are_counted_by_reason() {
    let text = "\n want oslo-utils==1.4.0\n have oslo-utils 1.4.0\n needs netifaces>=0.10.4\n \
                have netifaces 0.10.3 sdist\n have netifaces 0.10.4 sdist\n \
                have netifaces 0.10.5 sdist\n have netifaces 0.11 ";
    let first = "oslo-utils 1.4.0 needs netifaces >=0.10.4; you want oslo-utils ==1.4.0 \
                 (requirements.in:1)";
    let no_wheel = || Finding::NoWheel("netifaces".to_owned());
    explains(
        &format!("{text}sdist"),
        &no_wheel(),
        &[
            first,
            "netifaces 0.10.4 to 0.11: 3 versions, all of them only as source distributions",
        ],
    );
    let found = proof(&format!("{text}foreign"));
    assert_eq!(
        found.steps[1],
        "netifaces 0.10.4 to 0.11: 3 versions, 2 only as source distributions and 1 only for \
         other platforms or interpreters"
    );
    assert_eq!(found.advice, [Advice::BuildWheel("netifaces".to_owned())]);
}

#[test]
fn ways_out_are_named_only_if_they_change_the_outcome() {
    let advice = |text: &str| proof(text).advice;
    let a = || "a".to_owned();
    let python = Advice::OtherPython {
        project: a(),
        requires: ">=3.13".to_owned(),
    };
    assert_eq!(advice("\n want a\n have a 1 python >=3.13"), [python]);
    // Another Python would not help here.
    assert_eq!(advice("\n want a>1\n have a 1 python >=3.13"), []);
    assert_eq!(
        advice("\n want a\n have a 1 new"),
        [Advice::LaterUploads(a())]
    );
    assert_eq!(advice("\n want a\n have a 1 foreign"), []);
    let pin = Advice::PinYanked {
        project: a(),
        version: "2".to_owned(),
    };
    let text = "\n want b\n have b 1\n needs a==2\n have a 2 yanked\n have a 1";
    assert_eq!(advice(text), [pin]);
}

#[test]
fn a_project_or_version_that_does_not_exist_is_named() {
    explains(
        "\n want a\n have a 1\n needs b\n have a 2\n needs b>1",
        &Finding::UnknownProject("b".to_owned()),
        &[
            "a 2 needs b >1, a 1 needs b; you want a (requirements.in:1)",
            "no index has a project b",
        ],
    );
    explains(
        "\n want a>2\n have a 1\n have a 2",
        &Finding::NoVersion("a".to_owned()),
        &[
            "you want a >2 (requirements.in:1)",
            "a exists as 1 and 2, and none of them fits",
        ],
    );
    explains(
        "\n want a\n have a 1\n needs b\n have b 1\n constrain b>1",
        &Finding::NoVersion("b".to_owned()),
        &[
            "a 1 needs b; you want a (requirements.in:1), and allow only b >1 (constraints.txt:1)",
            "b exists only as 1",
        ],
    );
}

#[test]
fn single_versions_are_described() {
    for (text, step) in [
        ("have a 1 python >=3.13", "a 1 is for Python >=3.13"),
        ("have a 1 sdist", "a 1 exists only as a source distribution"),
        (
            "have a 1 foreign",
            "a 1 has wheels only for other platforms or interpreters",
        ),
        ("have a 1 new", "a 1 was uploaded too late"),
        ("have a 1 yanked", "a 1 is yanked"),
    ] {
        assert_eq!(proof(&format!("\n want a\n {text}")).steps[1], step);
    }
    for (text, step) in [
        (
            "have a 1 unreadable",
            "a 1 has unreadable METADATA: it is empty",
        ),
        ("have a 1 metadata-python <3", "a 1 is for Python <3"),
        ("have a 1\n needs a>1", "a 1 needs itself as a >1"),
        (
            "have a 1\n needs b @ http://u:p@h/b",
            "a 1 needs b @ http://h/b, an address that you do not name",
        ),
        (
            "have a 1\n extra x\n needs c>1;extra=='x'\n have c 1",
            "a[x] 1 needs c >1",
        ),
    ] {
        let found = proof(&format!("\n want a[x]\n {text}"));
        assert!(found.steps[0].starts_with(step), "{:?}", found.steps);
    }
}
