//! Lines that fit on a terminal: broken between words, so that no word is cut in two.

/// Breaks the lines that are wider than `columns`. What follows a break is indented.
pub fn wrapped(text: &str, columns: usize) -> String {
    text.split_inclusive('\n')
        .map(|line| one_line(line, columns))
        .collect()
}

fn one_line(line: &str, columns: usize) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let blank = line.len() - line.trim_start_matches(' ').len();
    let indent = " ".repeat(blank + 2);
    let (mut broken, mut used) = (" ".repeat(blank), blank);
    for (number, word) in line[blank..].split(' ').enumerate() {
        let wide = width(word);
        if number > 0 && used + 1 + wide > columns {
            broken += "\n";
            broken += &indent;
            used = indent.len();
        } else if number > 0 {
            broken.push(' ');
            used += 1;
        }
        broken += word;
        used += wide;
    }
    broken
}

/// The columns that a text takes: its characters, without colours and the line end.
fn width(text: &str) -> usize {
    let (mut columns, mut in_colour) = (0, false);
    for character in text.chars() {
        match character {
            '\u{1b}' => in_colour = true,
            // A colour ends with its first letter.
            _ if in_colour => in_colour = !character.is_ascii_alphabetic(),
            '\n' => {}
            _ => columns += 1,
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("short\n", 10), "short\n");
        assert_eq!(
            wrapped("error: a b c d e f g\nnext one\n", 12),
            "error: a b c\n  d e f g\nnext one\n"
        );
        assert_eq!(
            wrapped("  a_word_that_is_too_long b\n", 10),
            "  a_word_that_is_too_long\n    b\n"
        );
        let coloured = "\u{1b}[1;31merror\u{1b}[0m: a b c\n";
        assert_eq!(wrapped(coloured, 12), coloured);
    }
}
