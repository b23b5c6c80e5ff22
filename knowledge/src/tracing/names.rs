//! Names on a line of Python: what it reads of the instance and of the configuration, what it calls, what it sets.

/// The attributes of `of` that a text reads or calls, each once: `self.proj(self.norm(x))` gives `proj` and `norm`.
pub fn attributes(text: &str, of: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(of) {
        let whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        let rest = &text[at + of.len()..];
        if let Some(rest) = rest.strip_prefix('.')
            && whole
        {
            push(&mut found, leading(rest));
        }
    }
    found
}

/// The fields of a configuration that a text reads: what follows `config.`, also of `self.config.`, and of a
/// configuration inside it the field that leads there and the one behind.
pub fn fields(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("config.") {
        let mut rest = &text[at + "config.".len()..];
        loop {
            let name = leading(rest);
            push(&mut found, name);
            match rest[name.len()..].strip_prefix('.') {
                Some(inner) if name.ends_with("config") => rest = inner,
                _ => break,
            }
        }
    }
    found
}

/// The fields that a text asks a configuration for by name, with a default: `getattr(self.config, "scale", 1)` gives
/// `scale`.
pub fn defaulted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, opening) in text.match_indices("getattr(") {
        let rest = &text[at + opening.len()..];
        let Some((of, rest)) = rest.split_once(',') else {
            continue;
        };
        let name = rest.trim_start().strip_prefix(['"', '\'']);
        if let Some(name) = name
            && of.trim_end().ends_with("config")
        {
            push(&mut found, leading(name));
        }
    }
    found
}

/// The functions that a text calls by their bare name.
pub fn calls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('(') {
        let before = &text[..at];
        let start = before
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_'))
            .map_or(0, |at| {
                at + before[at..].chars().next().map_or(1, char::len_utf8)
            });
        if !before[..start].ends_with('.') && !before[..start].trim_end().ends_with("def") {
            push(&mut found, &before[start..]);
        }
    }
    found
}

/// The identifiers in a text.
pub fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

/// Whether a line sets the attribute of the instance: `self.name = …`, also with an annotation.
pub fn sets(line: &str, name: &str) -> bool {
    let rest = line
        .trim_start()
        .strip_prefix("self.")
        .and_then(|rest| rest.strip_prefix(name))
        .map(str::trim_start);
    rest.is_some_and(|rest| {
        rest.starts_with(':') || (rest.starts_with('=') && !rest.starts_with("=="))
    })
}

/// How many more brackets a line opens than it closes. Brackets in strings and comments count too, which costs at most
/// a few lines too many.
pub fn brackets(line: &str) -> i64 {
    line.chars()
        .map(|c| match c {
            '(' | '[' | '{' => 1,
            ')' | ']' | '}' => -1,
            _ => 0,
        })
        .sum()
}

fn leading(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

fn push(found: &mut Vec<String>, name: &str) {
    if !name.is_empty() && !found.iter().any(|known| known == name) {
        found.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_how_they_are_used() {
        let line = "x = self.proj(rotate(self.norm(x), self.config.hidden_size, myself.no))";
        assert_eq!(attributes(line, "self"), ["proj", "norm", "config"]);
        assert_eq!(calls(line), ["rotate"]);
        assert_eq!(fields(line), ["hidden_size"]);
        assert_eq!(
            fields("nn.Linear(config.vision_config.width, config.size)"),
            ["vision_config", "width", "size"]
        );
    }

    #[test]
    fn a_field_may_be_asked_for_with_a_default() {
        let line = "scale = getattr( self.config, 'scale', 1) * getattr(self, \"other\", 2)";
        assert_eq!(defaulted(line), ["scale"]);
        assert_eq!(defaulted("getattr(config"), [] as [&str; 0]);
    }

    #[test]
    fn setting_is_not_comparing() {
        assert!(sets("        self.proj = nn.Linear(1, 2)", "proj"));
        assert!(sets("self.proj: nn.Module = x", "proj"));
        assert!(!sets("self.proj == x", "proj"));
        assert!(!sets("self.projection = x", "proj"));
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read(line in "(self|config|\\.|\\(|=|[a-z]{1,3}|\\PC){0,40}") {
            let _ = (attributes(&line, "self"), fields(&line), defaulted(&line), calls(&line), sets(&line, "a"));
        }
    }
}
