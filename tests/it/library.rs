//! The public API, used as another program would: nothing but its documented names.

use std::sync::Mutex;

use pkg_install::error::WarningCode;
use pkg_install::progress::Events;
use pkg_install::{
    Action, Cancellation, Environment, EnvironmentKind, ErrorKind, Locate, Observer, Options,
    Status, Warning, WheelSource,
};

use crate::support::scene::{Scene, site_packages};
use crate::support::wheel_builder::Wheel;

/// A scene with a virtual environment, that environment, and a wheel.
fn prepared() -> (Scene, Environment, WheelSource) {
    let scene = Scene::new();
    let environment = Environment::locate(&Locate::target(scene.venv())).expect("it is there");
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", "x = 1\n"));
    (scene, environment, WheelSource::path(wheel))
}

#[test]
fn a_plan_is_printed_and_then_applied_as_it_was_printed() {
    let (scene, environment, wheel) = prepared();
    let options = Options::default().with_undoable(true);
    let plan = pkg_install::plan(&environment, &[wheel], &options).expect("it can be planned");
    assert_eq!(plan.to_string(), "install demo 1.0\n");
    assert!(plan.files().write.contains(&"demo.py".to_owned()));
    assert!(!plan.is_empty() && plan.conflicts().is_empty() && plan.warnings().is_empty());
    let planned = plan.changes().to_vec();
    let outcome = plan.apply(&Observer::none()).expect("it can be applied");
    assert_eq!(outcome.status, Status::Committed);
    assert_eq!(outcome.changes.len(), planned.len());
    assert_eq!(outcome.changes[0].action, Action::Install);
    assert!(site_packages(&scene.join("venv")).join("demo.py").is_file());

    let listed = pkg_install::list(&environment, &Options::default()).expect("it can be read");
    assert_eq!(
        (&*listed[0].name, &*listed[0].version, listed.len()),
        ("demo", "1.0", 1)
    );
    let checked = pkg_install::check(&environment, &["demo"], &Options::default());
    assert_eq!(checked.expect("it can be read").differences, []);
    pkg_install::undo(&environment, &Options::default(), &Observer::none())
        .expect("it was undoable");
    assert!(
        pkg_install::list(&environment, &Options::default())
            .expect("it can be read")
            .is_empty()
    );
}

#[test]
fn the_environment_is_locked_until_a_plan_is_discarded() {
    let (scene, environment, wheel) = prepared();
    let wheels = [wheel];
    let impatient = Options::default().with_lock_timeout(std::time::Duration::ZERO);
    let plan = pkg_install::plan(&environment, &wheels, &impatient).expect("it can be planned");
    let second = pkg_install::plan(&environment, &wheels, &impatient);
    let error = second.expect_err("the first plan has the lock");
    assert_eq!(error.kind(), ErrorKind::Environment);
    plan.discard();
    assert!(!scene.join("venv/.lock").exists(), "nothing is left");
    let plan = pkg_install::plan(&environment, &wheels, &impatient).expect("the lock is free");
    plan.apply(&Observer::none()).expect("it can be applied");
}

#[test]
fn a_removal_is_a_plan_and_nothing_to_do_is_one_too() {
    let (scene, environment, wheel) = prepared();
    let (wheels, options) = ([wheel], Options::default());
    let install = || {
        let plan = pkg_install::plan(&environment, &wheels, &options).expect("it can be planned");
        let shown = plan.to_string();
        let outcome = plan.apply(&Observer::none()).expect("it can be applied");
        (shown, outcome.status)
    };
    assert_eq!(
        install(),
        ("install demo 1.0\n".to_owned(), Status::Committed)
    );
    assert_eq!(install(), ("keep demo 1.0\n".to_owned(), Status::Unchanged));
    let plan = pkg_install::plan_removal(&environment, &["demo"], &options);
    let plan = plan.expect("it is installed");
    assert_eq!(plan.to_string(), "remove demo 1.0\n");
    plan.apply(&Observer::none()).expect("it can be removed");
    assert!(!site_packages(&scene.join("venv")).join("demo.py").exists());
    let gone = pkg_install::plan_removal(&environment, &["demo"], &options);
    assert_eq!(gone.expect_err("it is gone").kind(), ErrorKind::Environment);
}

#[test]
fn a_cancelled_command_changes_nothing() {
    let (scene, environment, wheel) = prepared();
    let cancellation = Cancellation::default();
    let options = Options::default().with_cancellation(cancellation.clone());
    let plan = pkg_install::plan(&environment, &[wheel], &options).expect("it can be planned");
    cancellation.cancel();
    let error = plan.apply(&Observer::none()).expect_err("it is cancelled");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(!site_packages(&scene.join("venv")).join("demo.py").exists());
}

#[test]
fn an_observer_gets_progress_and_a_plan_keeps_its_warnings() {
    #[derive(Default)]
    struct Counts(Mutex<(u64, u64, Vec<Warning>)>);

    impl Events for Counts {
        fn begin(&self, files: u64, _: u64) {
            self.0.lock().expect("no panic").0 += files;
        }
        fn advance(&self, files: u64, _: u64) {
            self.0.lock().expect("no panic").1 += files;
        }
        fn warning(&self, warning: Warning) {
            self.0.lock().expect("no panic").2.push(warning);
        }
    }

    let (scene, environment, _) = prepared();
    let odd = scene.wheel(&Wheel::new("odd", "1.0").file("con.py", "x = 1\n"));
    let plan = pkg_install::plan(&environment, &[WheelSource::path(odd)], &Options::default())
        .expect("it can be planned");
    assert_eq!(plan.warnings()[0].code, WarningCode::WindowsName);
    let counts = Counts::default();
    plan.apply(&Observer::new(&counts))
        .expect("it can be applied");
    let (announced, done, _) = counts.0.into_inner().expect("no panic");
    assert!(announced > 0 && announced == done, "{announced} {done}");
}

#[test]
fn an_environment_says_where_it_is() {
    let (scene, environment, _) = prepared();
    assert_eq!(environment.kind(), EnvironmentKind::Venv);
    assert_eq!(environment.root(), scene.join("venv"));
    assert_eq!(environment.purelib(), site_packages(&scene.join("venv")));
    assert_eq!(environment.platlib(), environment.purelib());
    assert_eq!(environment.scripts(), scene.join("venv/bin"));
    let interpreter = environment.interpreter().expect("it is known");
    assert!(interpreter.starts_with(environment.scripts()));
    assert!(!environment.is_relocatable() && !environment.has_destdir());
}

/// A newcomer reads the first page of the documentation in one sitting.
#[test]
fn the_root_has_at_most_thirty_names() {
    let text = include_str!("../../src/lib.rs");
    let public = text.split_once("mod cancellation;").expect("it is there").1;
    let names = public.lines().flat_map(|line| {
        let line = line.trim_end_matches([';', '}']);
        let module = line.strip_prefix("pub mod ");
        let used = line.strip_prefix("pub use ").map(|path| {
            let names = path.rsplit(['{', ':']).next();
            names.expect("a path has an end")
        });
        module
            .or(used)
            .into_iter()
            .flat_map(|names| names.split(", "))
    });
    let names: Vec<&str> = names.collect();
    assert!(
        names.contains(&"Warning") && names.contains(&"plan"),
        "{names:?}"
    );
    assert!(names.len() <= 30, "{}: {names:?}", names.len());
}

#[test]
fn the_example_is_short_enough_to_be_copied() {
    let example = include_str!("../../examples/install.rs");
    assert!(example.lines().count() <= 25);
}
