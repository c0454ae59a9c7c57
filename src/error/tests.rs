//! Every message of this crate, and the rules that all of them keep.

use super::*;

#[test]
fn ten_conflicts_are_shown_and_the_rest_counted() {
    let clash = |number: usize| Clash {
        path: format!("cv2/{number}.so"),
        owners: vec![
            ("one".into(), "sha256=a".into()),
            ("two".into(), "sha256=b".into()),
        ],
        is_settleable: true,
    };
    let text = Error::conflicts((0..12).map(clash).collect()).to_string();
    assert_eq!(text.lines().count(), 12);
    assert!(text.ends_with("… and 2 more"), "{text}");
    assert!(
        text.contains("`cv2/0.so`: one has sha256=a, two has sha256=b"),
        "{text}"
    );
}

#[test]
fn r58_what_a_terminal_would_obey_is_escaped() {
    let fault = ArchiveFault::DuplicateName("\u{1b}[2Jx\u{202e}".into());
    let text = Error::wheel("a.whl", fault).to_string();
    assert!(text.contains("\\u{1b}[2Jx\\u{202e}"), "{text}");
}
