//! The lines of the bars, on a terminal that keeps the lines of its last frame.

use std::io;
use std::sync::Mutex;

use indicatif::TermLike;

use super::*;

/// A terminal of so many columns that keeps the lines of the last frame.
#[derive(Debug, Clone)]
struct Paper(u16, Arc<Mutex<Vec<String>>>);

impl TermLike for Paper {
    fn width(&self) -> u16 {
        self.0
    }
    fn height(&self) -> u16 {
        50
    }
    fn write_line(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.1.lock().expect("no panic").push(text.to_owned());
        Ok(())
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        // Only clearing, which comes before each frame, moves up.
        self.1.lock().expect("no panic").clear();
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that are shown of `seen` on a terminal of this size.
fn lines(seen: &Seen, size: (u16, u16)) -> Vec<String> {
    let paper = Paper(size.0, Arc::default());
    let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
    let multi = MultiProgress::with_draw_target(target);
    let mut shown = Shown::new(multi);
    shown.show(seen, size);
    let frame = paper.1.lock().expect("no panic").clone();
    shown.remove_all();
    // Each line is followed by its filler.
    frame
        .chunks(2)
        .map(|line| line[0].trim_end().to_owned())
        .collect()
}

const WIDE: (u16, u16) = (100, 40);

fn transfer(number: usize, present: u64, total: Option<u64>) -> SeenTransfer {
    SeenTransfer {
        transfer: number,
        name: format!("demo{number}-1.0-py3-none-any.whl"),
        total,
        present,
    }
}

fn seen(transfers: &[SeenTransfer]) -> Seen {
    Seen {
        transfers: transfers.to_vec(),
        begun: transfers.len(),
        ..Seen::default()
    }
}

#[test]
fn nothing_is_shown_of_nothing() {
    assert_eq!(lines(&Seen::default(), WIDE), [""; 0]);
    let over = Seen {
        begun: 3,
        ended: 500,
        ..Seen::default()
    };
    assert_eq!(lines(&over, WIDE), [""; 0]);
}

#[test]
fn a_download_has_its_name_a_bar_and_its_bytes() {
    let half = lines(&seen(&[transfer(0, 5_000_000, Some(10_000_000))]), WIDE);
    let bar = format!("{}╸{}", "━".repeat(12), "─".repeat(11));
    assert_eq!(half, [format!("{:32} {bar} 5.00 MB/10.0 MB", "demo0-1.0")]);
    let all = lines(&seen(&[transfer(0, 10, Some(10))]), WIDE);
    let bar = "━".repeat(24);
    assert_eq!(all, [format!("{:32} {bar} 10 bytes/10 bytes", "demo0-1.0")]);
}

#[test]
fn a_download_of_unknown_length_has_no_bar() {
    let one = lines(&seen(&[transfer(0, 1500, None)]), WIDE);
    assert_eq!(one, [format!("{:32} {:24} 1.50 kB", "demo0-1.0", "")]);
    let two = lines(
        &seen(&[transfer(0, 0, None), transfer(1, 5, Some(10))]),
        WIDE,
    );
    assert_eq!(two[2], format!("{:32} {:24} 5 bytes", "0/2 wheels", ""));
}

#[test]
fn announced_files_count_from_the_beginning() {
    let running = seen(&[transfer(0, 5, Some(10))]);
    let shown = |expected, expected_bytes| {
        let seen = Seen {
            expected,
            expected_bytes,
            ..running.clone()
        };
        lines(&seen, WIDE)
    };
    assert_eq!(shown(1, Some(10)).len(), 1);
    assert_eq!(
        shown(9, None)[1],
        format!("{:32} {:24} 5 bytes", "0/9 wheels", "")
    );
    let all = shown(9, Some(1000));
    assert!(all[1].ends_with(" 5 bytes/1.00 kB"), "{all:?}");
}

#[test]
fn several_downloads_are_summed_up_with_those_that_have_ended() {
    let running = [transfer(4, 1000, Some(3000)), transfer(5, 500, Some(1000))];
    let all = Seen {
        begun: 6,
        ended: 2000,
        ..seen(&running)
    };
    let lines = lines(&all, WIDE);
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
        let lines = lines(&all, (WIDE.0, rows));
        assert_eq!(lines.len(), shown + 3, "{rows}: {lines:?}");
        assert!(lines.len() < usize::from(rows), "{rows}: {lines:?}");
        assert_eq!(lines[shown], format!("… and {} more", 13 - shown));
        assert!(lines[shown + 1].starts_with("0/13 wheels "), "{lines:?}");
        assert!(lines[shown + 2].starts_with("1/9 files "), "{lines:?}");
    }
}

#[test]
fn bars_come_and_go_in_the_order_of_the_downloads() {
    let paper = Paper(WIDE.0, Arc::default());
    let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
    let multi = MultiProgress::with_draw_target(target);
    let mut shown = Shown::new(multi.clone());
    let labels = || -> Vec<String> {
        let frame = paper.1.lock().expect("no panic");
        let words = frame.chunks(2).map(|line| line[0].split(' ').next());
        words
            .map(|word| word.unwrap_or_default().to_owned())
            .collect()
    };
    let running = |numbers: &[usize]| {
        let running = numbers.iter().map(|&number| transfer(number, 1, Some(2)));
        seen(&running.collect::<Vec<_>>())
    };
    shown.show(&running(&[0, 1, 2]), WIDE);
    assert_eq!(labels(), ["demo0-1.0", "demo1-1.0", "demo2-1.0", "0/3"]);
    shown.show(&running(&[0, 2, 3, 4]), WIDE);
    assert_eq!(
        labels(),
        ["demo0-1.0", "demo2-1.0", "demo3-1.0", "demo4-1.0", "0/4"]
    );
    shown.show(&running(&[4]), (80, 40));
    assert_eq!(labels(), ["demo4-1.0"]);
    shown.remove_all();
    multi.clear().expect("paper takes everything");
    assert_eq!(labels(), [""; 0]);
}

#[test]
fn no_line_is_wrapped() {
    let long = SeenTransfer {
        name: "n".repeat(300),
        ..transfer(0, 123_456_789, Some(999_456_789))
    };
    let staging = Some(SeenStaging {
        files: 99_999,
        bytes: u64::MAX,
        files_done: 99_999,
        bytes_done: 999_999,
    });
    for columns in 40..200 {
        let seen = Seen {
            staging,
            begun: 2,
            ..seen(std::slice::from_ref(&long))
        };
        let lines = lines(&seen, (columns, 24));
        assert_eq!(lines.len(), 3);
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() < usize::from(columns)),
            "{columns}: {lines:?}"
        );
    }
}

#[test]
fn names_control_no_terminal() {
    let odd = SeenTransfer {
        name: "a\u{1b}[2J\n".to_owned(),
        ..transfer(0, 0, None)
    };
    let lines = lines(&seen(&[odd]), WIDE);
    assert!(lines[0].starts_with("a\\u{1b}[2J\\n"), "{lines:?}");
}

#[test]
fn times_read_well() {
    assert_eq!(
        [0, 59, 60, 3599, 3600, 36_061].map(clock),
        ["0:00", "0:59", "1:00", "59:59", "1:00:00", "10:01:01"]
    );
}
