//! Text that somebody else wrote, made fit for the place where it is shown.
//!
//! A name, an error's message or a line of a log can hold characters that act instead of being read: escapes that colour
//! or clear a terminal, line ends that begin a line of their own, marks that turn the direction of what follows. Here they
//! become what they are, in writing: `\u{1b}`. What is left can be read and does nothing.

/// The longest name of a thing that a model has, such as an output, in characters.
pub const LONGEST_NAME: usize = 200;

/// The longest word, in characters.
const LONGEST_WORD: usize = 100;

/// Whether a character acts on its surroundings, or hides among them, instead of being seen.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            // Soft hyphen, joiners, fillers and marks that have no width.
            '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            // What turns the direction of writing.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2065}'..='\u{206f}'
            // The ends of lines and paragraphs, annotations, and the tags that copy ASCII invisibly.
            | '\u{2028}' | '\u{2029}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The text with every hidden character in writing, but for the ends of its lines and tabulators.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        write_visible(&mut out, c, c == '\n' || c == '\t');
    }
    out
}

/// The text in one line: white space in a row is one space, and every other hidden character is in writing. It can begin
/// no line and end none.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        word.chars().for_each(|c| write_visible(&mut out, c, false));
    }
    out
}

fn write_visible(out: &mut String, c: char, kept: bool) {
    if is_hidden(c) && !kept {
        out.extend(c.escape_unicode());
    } else {
        out.push(c);
    }
}

/// The first `most` characters, and a mark where there were more.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

/// Whether a text can be the name of a thing that a model has: letters and digits of any script, and the few signs that
/// paths of such names have. It then means nothing to a terminal, a page, a shell or a file system.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| (c.is_alphanumeric() && !is_hidden(c)) || "_.-:/[]#".contains(c);
    !text.is_empty() && text.chars().count() <= LONGEST_NAME && text.chars().all(plain)
}

/// Whether a text can be a word such as a model type, a task or a version: ASCII letters, digits and `_-.+`, the
/// first of them no sign.
pub fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.+".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.len() <= LONGEST_WORD
        && text.chars().all(plain)
}

/// JSON that means the same and holds no hidden character: inside its strings they are escaped, and outside there are none.
pub fn json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        if is_hidden(c) && c != '\n' && c != '\t' {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "\u{1b}[2J\u{1b}]0;t\u{7}\r\0 \u{202e}rtl\u{9b}31m \u{200b}\u{e0041}\n\n  onnx pass";

    #[test]
    fn what_acts_is_written_out() {
        assert_eq!(
            visible("a\u{1b}[31m\tb\r\nc\rd"),
            "a\\u{1b}[31m\tb\nc\\u{d}d"
        );
        assert!(!visible(HOSTILE).contains(|c| is_hidden(c) && c != '\n'));
        assert_eq!(visible("plain, größer, 中文"), "plain, größer, 中文");
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line("  a\n\n  b\u{85}c\u{2028}d "), "a b c d");
        let said = line(HOSTILE);
        assert!(!said.contains(is_hidden), "{said}");
        assert!(said.starts_with("\\u{1b}[2J") && said.ends_with("onnx pass"));
    }

    #[test]
    fn a_long_text_is_cut_in_sight() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("ab cd", 3), "ab…");
    }

    #[test]
    fn a_name_is_letters_digits_and_few_signs() {
        for name in ["last_hidden_state", "past.0.key", "a/b:0", "größe", "#"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(LONGEST_NAME + 1);
        for text in [
            "",
            "a b",
            "x\u{1b}[31m",
            "a|b",
            "`a`",
            "a\n",
            "<b>",
            "\u{202e}a",
            "$(a)",
            &long,
        ] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn a_word_is_one() {
        for word in ["bert", "xlm-roberta", "5.20.2", "2.13.0+cpu", "causal-lm"] {
            assert!(is_word(word), "{word}");
        }
        for text in [
            "",
            "-x",
            "a b",
            "rt\u{1b}[31m",
            "größe",
            "a/b",
            &"a".repeat(101),
        ] {
            assert!(!is_word(text), "{text}");
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1.5, null] });
        let text = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.contains(|c| is_hidden(c) && c != '\n'), "{text}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
