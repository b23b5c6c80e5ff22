//! Text that nobody wrote for a page, made safe for one: in one line, without markup of its own, and without the
//! folders of the machine that it comes from.

use crate::text::line;

/// A text of any origin as plain text in one line: whatever Markdown or HTML would take for more is escaped.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in published(text).chars() {
        if "\\`*_{}[]<>#&~!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text of any origin as code.
pub fn code(text: &str) -> String {
    let line = published(text);
    if line.is_empty() {
        return String::new();
    }
    // A fence must be longer than any run of backticks within.
    let longest = line
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// A text in which backticks mean code, as Portwright's own hints have them; one without a partner means nothing.
pub fn prose(text: &str) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    let paired = pieces.len() % 2 == 1;
    if !paired {
        return plain(text);
    }
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| match index % 2 {
            // What surrounds the code keeps its spaces.
            0 => spaced(piece),
            _ => code(piece),
        })
        .collect()
}

fn spaced(piece: &str) -> String {
    let space = |at: Option<char>| {
        if at.is_some_and(char::is_whitespace) {
            " "
        } else {
            ""
        }
    };
    let (before, after) = (
        space(piece.chars().next()),
        space(piece.chars().next_back()),
    );
    match plain(piece) {
        text if text.is_empty() => before.to_owned(),
        text => format!("{before}{text}{after}"),
    }
}

/// The first names of a list as code, and how many more there are.
pub fn names(names: &[&str], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| code(name)).collect();
    let list = shown.join(", ");
    match names.len().saturating_sub(most) {
        0 => list,
        more => format!("{list} … and {more} more"),
    }
}

/// A text as code in a cell of a table, where a stroke ends the cell even in code.
pub fn code_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A text of any origin as plain text in a cell of a table.
pub fn plain_cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

fn published(text: &str) -> String {
    without_folders(&line(text))
}

/// The text without the folders of absolute paths: where things lie on one machine is nobody else's business.
fn without_folders(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('/') {
        // A colon before one stroke may be that of a path's scheme; before two it is that of an address.
        let address = rest[start..].starts_with("//");
        let begins = !rest[..start]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || "/.<_-)".contains(c) || c == ':' && address);
        let end = rest[start..]
            .find(|c: char| c.is_whitespace() || "\"'`,;:()<>|".contains(c))
            .map_or(rest.len(), |length| start + length);
        let path = &rest[start..end];
        match path.trim_end_matches('/').rsplit_once('/') {
            Some((_, file)) if begins && !file.is_empty() => {
                out.push_str(&rest[..start]);
                out.push_str("…/");
                out.push_str(file);
            }
            _ => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_plain() {
        assert_eq!(
            plain("a | `b`\n<script>_x_ &amp; [l](u)"),
            r"a | \`b\` \<script\>\_x\_ \&amp; \[l\](u)"
        );
        assert_eq!(
            plain("nothing special, 1.5 (really)"),
            "nothing special, 1.5 (really)"
        );
    }

    #[test]
    fn code_is_closed_by_its_own_fence_only() {
        assert_eq!(code("x"), "`x`");
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
        assert_eq!(code("``"), "``` `` ```");
        assert_eq!(code("a|b\n\tc"), "`a|b c`");
        assert_eq!(code(""), "");
    }

    #[test]
    fn nothing_acts_on_a_page() {
        let hostile = "\u{1b}[31m\n| pass |\u{202e}";
        assert_eq!(
            plain(hostile),
            r"\\u\{1b\}[31m | pass |\\u\{202e\}".replace("[31m", r"\[31m")
        );
        assert_eq!(code(hostile), r"`\u{1b}[31m | pass |\u{202e}`");
        assert_eq!(code_cell("a|b"), r"`a\|b`");
        assert_eq!(plain_cell("a|b"), r"a\|b");
    }

    #[test]
    fn backticks_in_pairs_are_code_in_prose() {
        assert_eq!(prose("set `a_b` or *c*"), r"set `a_b` or \*c\*");
        assert_eq!(prose("`a` `b`; `c`"), "`a` `b`; `c`");
        assert_eq!(prose("one ` alone"), r"one \` alone");
        assert_eq!(prose("an empty `` pair"), "an empty  pair");
    }

    #[test]
    fn a_long_list_says_how_much_it_leaves_out() {
        assert_eq!(names(&["a", "b"], 2), "`a`, `b`");
        assert_eq!(names(&["a", "b", "c"], 1), "`a` … and 2 more");
    }

    #[test]
    fn absolute_paths_lose_their_folders_and_nothing_else_does() {
        assert_eq!(
            without_folders("in '/srv/me/lib/modeling.py:12', /srv/me, hub:/srv/x and /x"),
            "in '…/modeling.py:12', …/me, hub:…/x and …/x"
        );
        for text in [
            "batch and/or length",
            "https://example.org/a/b",
            "a / b",
            "lib/python/x.py",
            "</x>",
            "1 of 2/3 //",
        ] {
            assert_eq!(without_folders(text), text);
        }
    }
}
