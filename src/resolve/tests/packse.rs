//! The scenarios of packse, and those of the kinds that other resolvers are tested with.

use super::judge::faults;
use super::scenario::{Scenario, shown};
use crate::error::ErrorKind;

const SCENARIOS: &str = include_str!("../../../testdata/resolve/packse.txt");
const KINDS: &str = include_str!("../../../testdata/resolve/kinds.txt");

#[test]
fn every_scenario_of_packse_has_a_right_answer() {
    check(&Scenario::all(SCENARIOS), 183);
}

#[test]
fn every_scenario_of_other_kinds_has_its_answer() {
    check(&Scenario::all(KINDS), 55);
}

fn check(scenarios: &[Scenario], count: usize) {
    assert_eq!(scenarios.len(), count);
    let mut wrong = Vec::new();
    for scenario in scenarios {
        let expected = scenario.answer.as_str();
        let found = match scenario.solve() {
            // An author may prefer a pre-release to another project's older version.
            Ok(answer) if shown(&answer) == expected => None,
            Ok(answer) => {
                let mut faults = faults(scenario, &answer);
                if !["any", "open"].contains(&expected) {
                    faults.push(format!("`{expected}` is the answer"));
                }
                (!faults.is_empty()).then(|| format!("{}: {}", shown(&answer), faults.join("; ")))
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsolvable, "{error}");
                let is_right = ["none", "open"].contains(&expected);
                (!is_right).then(|| format!("{error}: `{expected}` is the answer"))
            }
        };
        wrong.extend(found.map(|found| format!("{}: {found}", scenario.name)));
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
