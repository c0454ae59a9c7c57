//! Lines from plain values.

use super::*;
use crate::cli::progress::counters::{SeenStaging, SeenTransfer};

const WIDE: Size = Size {
    columns: 100,
    rows: 40,
};

fn transfer(number: usize, present: u64, total: Option<u64>) -> SeenTransfer {
    let name = format!("demo{number}-1.0-py3-none-any.whl");
    SeenTransfer {
        transfer: number,
        name,
        total,
        present,
        received: present,
    }
}

fn seen(transfers: &[SeenTransfer]) -> Seen {
    let received = transfers.iter().map(|transfer| transfer.received).sum();
    Seen {
        transfers: transfers.to_vec(),
        begun: transfers.len(),
        received,
        ..Seen::default()
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nothing_is_shown_of_nothing() {
    assert_eq!(
        Model::default().lines(&Seen::default(), at(0), WIDE),
        [""; 0]
    );
    let over = Seen {
        begun: 3,
        ended: 500,
        received: 500,
        ..Seen::default()
    };
    assert_eq!(Model::default().lines(&over, at(0), WIDE), [""; 0]);
}

#[test]
fn a_download_has_its_name_bar_bytes_speed_and_time_left() {
    let mut model = Model::default();
    let first = model.lines(&seen(&[transfer(0, 0, Some(10_000_000))]), at(0), WIDE);
    assert_eq!(
        first,
        [format!(
            "{:32} ╸{} 0 bytes/10.0 MB",
            "demo0-1.0",
            "─".repeat(23)
        )]
    );
    let second = model.lines(
        &seen(&[transfer(0, 2_500_000, Some(10_000_000))]),
        at(2),
        WIDE,
    );
    let bar = format!("{}╸{}", "━".repeat(6), "─".repeat(17));
    assert_eq!(
        second,
        [format!(
            "{:32} {bar} 2.50 MB/10.0 MB  1.25 MB/s  0:06",
            "demo0-1.0"
        )]
    );
    let last = model.lines(
        &seen(&[transfer(0, 10_000_000, Some(10_000_000))]),
        at(4),
        WIDE,
    );
    assert_eq!(
        last,
        [format!(
            "{:32} {} 10.0 MB/10.0 MB  2.50 MB/s",
            "demo0-1.0",
            "━".repeat(24)
        )]
    );
}

#[test]
fn what_begins_anew_goes_back_and_keeps_its_speed() {
    let mut model = Model::default();
    model.lines(&seen(&[transfer(0, 0, None)]), at(0), WIDE);
    let anew = SeenTransfer {
        present: 0,
        received: 4_000_000,
        ..transfer(0, 0, Some(8_000_000))
    };
    let lines = model.lines(&seen(&[anew]), at(2), WIDE);
    assert!(
        lines[0].ends_with(" 0 bytes/8.00 MB  2.00 MB/s  0:04"),
        "{lines:?}"
    );
}

#[test]
fn a_download_of_unknown_length_has_no_bar() {
    let lines = Model::default().lines(&seen(&[transfer(0, 1500, None)]), at(0), WIDE);
    assert_eq!(lines, [format!("{:32} {:24} 1.50 kB", "demo0-1.0", "")]);
    let lines = Model::default().lines(
        &seen(&[transfer(0, 0, None), transfer(1, 5, Some(10))]),
        at(0),
        WIDE,
    );
    assert_eq!(lines[2], format!("{:32} {:24} 5 bytes", "0/2 wheels", ""));
}

#[test]
fn files_that_are_yet_to_come_count_from_the_beginning() {
    let running = seen(&[transfer(0, 5, Some(10))]);
    let lines = |expected, expected_bytes| {
        Model::default().lines(
            &Seen {
                expected,
                expected_bytes,
                ..running.clone()
            },
            at(0),
            WIDE,
        )
    };
    assert_eq!(lines(1, Some(10)).len(), 1);
    assert_eq!(
        lines(9, None)[1],
        format!("{:32} {:24} 5 bytes", "0/9 wheels", "")
    );
    assert!(
        lines(9, Some(1000))[1].ends_with(" 5 bytes/1.00 kB"),
        "{:?}",
        lines(9, Some(1000))
    );
}

#[test]
fn several_downloads_are_summed_up_with_those_that_have_ended() {
    let running = [transfer(4, 1000, Some(3000)), transfer(5, 500, Some(1000))];
    let lines = Model::default().lines(
        &Seen {
            begun: 6,
            ended: 2000,
            ..seen(&running)
        },
        at(0),
        WIDE,
    );
    assert_eq!(lines.len(), 3);
    assert!(
        lines[2].starts_with("4/6 wheels  ") && lines[2].ends_with(" 3.50 kB/6.00 kB"),
        "{lines:?}"
    );
}

#[test]
fn as_many_downloads_are_shown_as_fit() {
    let many: Vec<SeenTransfer> = (0..13).map(|number| transfer(number, 1, Some(2))).collect();
    let staging = Some(SeenStaging {
        files: 9,
        bytes: 90,
        files_done: 1,
        bytes_done: 10,
    });
    let all = Seen {
        staging,
        ..seen(&many)
    };
    for (rows, shown) in [(40, 8), (12, 8), (11, 7), (6, 2), (4, 0)] {
        let lines = Model::default().lines(&all, at(0), Size { rows, ..WIDE });
        assert!(lines.len() < rows, "{rows}: {lines:?}");
        assert_eq!(lines.len(), shown + 3, "{rows}: {lines:?}");
        assert_eq!(lines[shown], format!("… and {} more", 13 - shown));
        assert!(lines[shown + 2].starts_with("1/9 files "), "{lines:?}");
    }
    for rows in 0..4 {
        assert_eq!(
            Model::default()
                .lines(&all, at(0), Size { rows, ..WIDE })
                .len(),
            rows.saturating_sub(1)
        );
    }
}

#[test]
fn no_line_reaches_the_edge() {
    let long = SeenTransfer {
        name: "n".repeat(300),
        ..transfer(0, 123_456_789, Some(999_456_789))
    };
    let staging = Some(SeenStaging {
        files: u64::MAX,
        bytes: u64::MAX,
        files_done: u64::MAX,
        bytes_done: u64::MAX,
    });
    for columns in 1..200 {
        let (mut model, size) = (Model::default(), Size { columns, rows: 24 });
        for now in 0..2 {
            let lines = model.lines(
                &Seen {
                    staging,
                    begun: 2,
                    ..seen(std::slice::from_ref(&long))
                },
                at(now),
                size,
            );
            assert_eq!(lines.len(), 3);
            assert!(
                lines.iter().all(|line| line.chars().count() < columns),
                "{columns}: {lines:?}"
            );
        }
    }
}

#[test]
fn names_control_no_terminal() {
    let odd = SeenTransfer {
        name: "a\u{1b}[2J\n".to_owned(),
        ..transfer(0, 0, None)
    };
    let lines = Model::default().lines(&seen(&[odd]), at(0), WIDE);
    assert!(lines[0].starts_with("a\\u{1b}[2J\\n "), "{lines:?}");
}

#[test]
fn a_speed_is_that_of_the_last_seconds() {
    let mut speed = Speed::default();
    assert_eq!(speed.measure(at(0), 0), None);
    assert_eq!(speed.measure(Duration::from_millis(100), 1000), None);
    assert_eq!(speed.measure(at(1), 4000), Some(4000));
    for second in 2..20 {
        speed.measure(at(second), 4000);
    }
    assert_eq!(speed.measure(at(20), 4000), Some(0));
    assert!(speed.samples.len() < 7, "{speed:?}");
}

#[test]
fn times_read_well() {
    assert_eq!(
        [0, 59, 60, 3599, 3600, 36_061].map(clock),
        ["0:00", "0:59", "1:00", "59:59", "1:00:00", "10:01:01"]
    );
}
