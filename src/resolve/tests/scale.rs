//! Large, deep and contrary sets: how much is read, and that nothing overflows.

use std::fmt::Write as _;

use super::scenario::{Scenario, shown};

/// A small stack shows recursion that a large one would hide.
fn on_a_small_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    let thread = thread.spawn(test).expect("a thread");
    thread.join().expect("the test passes");
}

fn chain(length: usize, end: &str) -> Scenario {
    let mut text = "\n want p0\n".to_owned();
    for number in 0..length {
        let next = number + 1;
        writeln!(text, "have p{number} 1\n needs p{next}").expect("memory");
    }
    Scenario::read(&format!("{text}{end}"))
}

#[test]
fn a_chain_of_ten_thousand_projects_is_resolved() {
    on_a_small_stack(|| {
        let answer = chain(10_000, "have p10000 1").solve().expect("an answer");
        assert_eq!(answer.projects.len(), 10_001);
    });
}

/// The solver goes back one project at a time, so a longer chain would make this test slow.
#[test]
fn a_chain_of_projects_that_leads_nowhere_is_explained() {
    on_a_small_stack(|| {
        let error = chain(3_000, "").solve().expect_err("p3000 is missing");
        assert_eq!(error.code(), "unknown-project");
        assert_eq!(
            error.no_solution().map(|proof| proof.steps.len()),
            Some(3_001)
        );
    });
}

/// fastapi needs an older starlette in each of its versions but the oldest ones: walking down from
/// the newest reads nearly all of them, deciding fastapi first reads few.
#[test]
fn a_project_that_is_rejected_again_and_again_is_decided_first() {
    let mut text = "\n want starlette<=36\n want fastapi<=150\n".to_owned();
    for number in 1..=60 {
        writeln!(text, "have starlette {number}").expect("memory");
    }
    for number in 1..=160 {
        // The newest are too new for starlette 36, the older ones each pin an older starlette.
        let starlette = (number + 36_usize).saturating_sub(109).max(1);
        writeln!(
            text,
            "have fastapi {number}\n needs starlette>={starlette},<{}",
            starlette + 1
        )
        .expect("memory");
    }
    let scenario = Scenario::read(&text);
    let answer = scenario.solve().expect("an answer");
    assert_eq!(shown(&answer), "fastapi 109, starlette 36");
    assert!(answer.rounds <= 3, "{} rounds", answer.rounds);
    let asked = scenario.memory.asked.borrow();
    let read = asked.metadata.len();
    assert!(read <= 60, "{read} were read");
    assert_eq!(asked.followed.len(), 2, "{:?}", asked.followed);
}

/// Every new version of boto3 needs a newer urllib3 than is allowed: what is read is asked for in
/// few batches, and nothing twice.
#[test]
fn a_long_walk_asks_far_ahead_and_not_in_vain() {
    let mut text = "\n want urllib3<2\n want boto3\n have urllib3 1\n have urllib3 2\n".to_owned();
    for number in 1..=600 {
        let urllib3 = if number > 100 {
            "urllib3>=2"
        } else {
            "urllib3<2"
        };
        writeln!(text, "have boto3 {number}\n needs {urllib3}").expect("memory");
    }
    let scenario = Scenario::read(&text);
    assert_eq!(scenario.solved(), "boto3 100, urllib3 1");
    let asked = scenario.memory.asked.borrow();
    assert!(
        asked.metadata.len() <= 503,
        "{} were read",
        asked.metadata.len()
    );
    let tried = |number: usize| {
        let reason = Some(format!("{} needs urllib3 >=2", 602 - number));
        (
            "boto3".to_owned(),
            u32::try_from(number).expect("few"),
            reason,
        )
    };
    assert_eq!(asked.tried, (2..=501).map(tried).collect::<Vec<_>>());
    let vain = asked.ahead.difference(&asked.metadata).count();
    assert!(vain <= 50, "{vain} were asked for in vain");
}

/// Each version of app pins one of core, and is rejected before that is looked at.
#[test]
fn what_is_pinned_by_rejected_versions_is_not_asked_for_without_end() {
    let mut text = "\n want x<2\n want app\n have x 1\n have x 2\n".to_owned();
    for number in 1..=60 {
        let needs = format!("\n needs pin=={number}\n needs core=={number}\n");
        writeln!(text, "have app {number}{needs}have core {number}").expect("memory");
        writeln!(text, "have pin {number}\n needs x>=2").expect("memory");
    }
    let scenario = Scenario::read(&text);
    scenario.solve().expect_err("all need another x");
    let asked = scenario.memory.asked.borrow();
    let vain = asked.ahead.iter().filter(|(name, _)| name == "core");
    assert!(vain.count() <= 10, "{:?}", asked.ahead);
}

#[test]
fn many_versions_of_an_extra_that_cannot_be_had_are_not_read() {
    // Its project has to be 1, which is known before the extra's first version is tried.
    let mut text = "\n want a[x]\n want b\n have b 1\n needs a==1\n".to_owned();
    for number in 1..=300 {
        writeln!(text, "have a {number}\n extra x\n needs c; extra == 'x'").expect("memory");
    }
    let scenario = Scenario::read(&format!("{text}\n have c 1"));
    assert_eq!(scenario.solved(), "a 1, b 1, c 1");
    let read = scenario.memory.asked.borrow().metadata.len();
    assert!(read <= 20, "{read} were read");
}

#[test]
fn a_conflict_of_an_extra_reads_no_version_that_its_project_does_not_have() {
    let mut text = "\n want a[x]\n want c<2\n have c 1\n have c 2\n".to_owned();
    for number in 1..=40 {
        let c = if number > 30 { "c>=2" } else { "c" };
        writeln!(text, "have a {number}\n extra x\n needs {c}; extra == 'x'").expect("memory");
    }
    let scenario = Scenario::read(&text);
    assert_eq!(scenario.solved(), "a 30, c 1");
    let read = scenario.memory.asked.borrow().metadata.len();
    assert!(read <= 13, "{read} were read");
}

#[test]
fn the_order_of_roots_decides_only_between_right_answers() {
    let exist = "have a 1\n needs c\n have a 2\n needs c<2\n have b 1\n have b 2\n needs c>=2\n \
                 have c 1\n have c 2";
    let first = Scenario::read(&format!("\n want a\n want b\n {exist}")).solved();
    let second = Scenario::read(&format!("\n want b\n want a\n {exist}")).solved();
    assert_eq!([first, second], ["a 2, b 1, c 1", "a 1, b 2, c 2"]);
}
