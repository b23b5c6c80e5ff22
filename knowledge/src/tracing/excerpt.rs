//! A chain of definitions as text of a limited length, for whoever repairs: a person or a language model.

use std::fmt::Write as _;

use portwright_core::job::Frame;

use super::{Link, Role, Sources, TraceError, chain};

/// A chain as far as it fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// At most as many characters as were allowed.
    pub text: String,
    /// What the text shows.
    pub shown: Vec<Link>,
    /// What there was no room for.
    pub left_out: Vec<Link>,
}

/// What is worth reading about a traceback, in at most `budget` characters, what matters most first.
///
/// Each definition is given with its file and lines, and the line that it is about is marked. One that does not fit
/// whole is cut around that line; one that does not fit even so is left out.
pub fn excerpt(sources: &Sources, frames: &[Frame], budget: usize) -> Result<Excerpt, TraceError> {
    Ok(fit(chain(sources, frames)?, budget))
}

fn fit(links: Vec<Link>, budget: usize) -> Excerpt {
    let mut excerpt = Excerpt::default();
    let mut left = budget;
    for link in links {
        let fitting = [u32::MAX, 8, 2, 0].into_iter().find_map(|around| {
            let text = render(&link, around);
            let length = text.chars().count();
            (length <= left).then_some((text, length))
        });
        match fitting {
            Some((text, length)) => {
                left -= length;
                excerpt.text.push_str(&text);
                excerpt.shown.push(link);
            }
            None => excerpt.left_out.push(link),
        }
    }
    excerpt
}

/// A link with at most `around` lines before and after the one that it is about.
fn render(link: &Link, around: u32) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "{}:{}  {}  ({})",
        link.file,
        link.line,
        link.symbol,
        what(&link.role)
    );
    if let Some(modular) = &link.modular {
        let _ = write!(out, "; generated from {modular}");
    }
    out.push('\n');
    for (line, number) in link.lines.iter().zip(link.from..) {
        if number.abs_diff(link.line) <= around {
            let mark = if number == link.line { '>' } else { ' ' };
            let _ = writeln!(out, "{mark}{number:>5} {line}");
        }
    }
    out
}

fn what(role: &Role) -> String {
    match role {
        Role::Failed => "failed here".to_owned(),
        Role::Called => "called from here".to_owned(),
        Role::Sets(name) => format!("sets `{name}`"),
        Role::Defines(name) => format!("defines `{name}`"),
        Role::Field(name) => format!("field `{name}` of the configuration"),
    }
}

/// The frames of a traceback as Python prints it; what is no frame is passed over.
pub fn frames(traceback: &str) -> Vec<Frame> {
    let mut found: Vec<Frame> = Vec::new();
    let mut lines = traceback.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(frame) = frame(line) else { continue };
        let code = lines
            .next_if(|next| self::frame(next).is_none() && next.starts_with("    "))
            .map(|code| code.trim().to_owned())
            .unwrap_or_default();
        found.push(Frame { code, ..frame });
    }
    found
}

/// `  File "a.py", line 3, in forward`.
fn frame(line: &str) -> Option<Frame> {
    let rest = line.trim_start().strip_prefix("File \"")?;
    let (file, rest) = rest.split_once("\", line ")?;
    let (number, function) = match rest.split_once(", in ") {
        Some((number, function)) => (number, function.trim()),
        None => (rest.trim(), ""),
    };
    Some(Frame {
        file: file.to_owned(),
        line: number.parse().ok()?,
        function: function.to_owned(),
        ..Frame::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(role: Role, line: u32) -> Link {
        let from = line.saturating_sub(3);
        Link {
            role,
            file: "models/toy/modeling_toy.py".into(),
            symbol: "Toy.forward".into(),
            line,
            from,
            to: line + 3,
            modular: None,
            lines: (from..=line + 3).map(|n| format!("line {n}")).collect(),
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_then_left_out() {
        let links = vec![link(Role::Failed, 10), link(Role::Called, 50)];
        let whole = fit(links.clone(), 10_000);
        assert!(whole.text.contains(">   10 line 10") && whole.left_out.is_empty());
        let some = fit(links.clone(), whole.text.chars().count() - 1);
        assert_eq!(some.shown.len(), 2);
        assert!(!some.text.contains("line 53"));
        let one = fit(links.clone(), 170);
        assert_eq!((one.shown.len(), one.left_out.len()), (1, 1));
        assert_eq!(fit(links, 3).text, "");
    }

    #[test]
    fn a_printed_traceback_is_read() {
        let text = "Traceback (most recent call last):\n  File \"/a/b.py\", line 3, in forward\n    x = f(x)\n        ^^^^\n  File \"/a/c.py\", line 14, in f\nValueError: no\n";
        let found = frames(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].code.as_str()), (3, "x = f(x)"));
        assert_eq!(
            (found[1].file.as_str(), found[1].function.as_str()),
            ("/a/c.py", "f")
        );
    }

    proptest::proptest! {
        #[test]
        fn the_budget_is_kept(budget in 0usize..600, lines in proptest::collection::vec(1u32..90, 0..6)) {
            let links = lines.into_iter().map(|line| link(Role::Called, line)).collect();
            proptest::prop_assert!(fit(links, budget).text.chars().count() <= budget);
        }

        #[test]
        fn any_text_is_no_crash(text in "(File \"|\", line |, in |[0-9]{1,12}|\n|\\PC){0,40}") {
            let _ = frames(&text);
        }
    }
}
