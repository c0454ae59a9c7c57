//! Numbers and names as people read them.

use std::time::Duration;

pub use pkg_install::error::size;

/// `text` in bold, in the colour of this ANSI code.
pub fn paint(code: &str, text: &str) -> String {
    format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count as u64))
}

/// `120 ms`, `1.50 s`.
pub fn duration(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// A number with a comma after each group of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 36_367, 1_000_000].map(grouped),
            ["0", "999", "1,000", "36,367", "1,000,000"]
        );
        assert_eq!(
            [1, 2, 1000].map(|count| counted(count, "file")),
            ["1 file", "2 files", "1,000 files"]
        );
    }
}
