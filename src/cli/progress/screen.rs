//! Lines that stand on a terminal for a while, below what stays there.
//!
//! Input: remarks, which stay, and the lines that stand now. Output: the text of one write that
//! makes it so. The cursor rests at the beginning of the line below, so that what the terminal
//! itself echoes, as `^C`, goes with the next frame and moves nothing. Limits: no line may be as
//! wide as the terminal; a terminal that is made narrower meanwhile may keep lines.

/// What stands on the terminal.
#[derive(Debug, Default)]
pub struct Screen {
    standing: usize,
}

impl Screen {
    /// The text that puts `lines` in the place of those that stand, and `remarks`, each with its
    /// line feed, above them.
    pub fn frame(&mut self, remarks: &[String], lines: &[String]) -> String {
        if self.standing == 0 && remarks.is_empty() && lines.is_empty() {
            return String::new();
        }
        let mut text = "\r".to_owned();
        if self.standing > 0 {
            text += &format!("\u{1b}[{}A", self.standing);
        }
        if !remarks.is_empty() {
            // They may be wider than the terminal, so no line is known to be overwritten.
            text += "\u{1b}[J";
            text += &remarks.concat();
        }
        text.extend(lines.iter().map(|line| format!("\u{1b}[K{line}\n")));
        self.standing = lines.len();
        text + "\u{1b}[J"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_begins_where_the_one_before_did() {
        let mut screen = Screen::default();
        let [one, two] = ["one", "two"].map(str::to_owned);
        assert_eq!(screen.frame(&[], &[]), "");
        assert_eq!(
            screen.frame(&[], &[one.clone(), two]),
            "\r\u{1b}[Kone\n\u{1b}[Ktwo\n\u{1b}[J"
        );
        let said = screen.frame(&["said\n".to_owned()], &[one]);
        assert_eq!(said, "\r\u{1b}[2A\u{1b}[Jsaid\n\u{1b}[Kone\n\u{1b}[J");
        assert_eq!(screen.frame(&[], &[]), "\r\u{1b}[1A\u{1b}[J");
        assert_eq!(screen.frame(&[], &[]), "");
    }
}
