//! Shapes of arguments as a docstring writes them, e.g. `(batch_size, sequence_length, hidden_size)`.

/// Lines of a description that are looked at.
const DESCRIPTION: usize = 4;

/// The axes that a docstring gives an argument; `None` where it gives none.
///
/// Two ways of writing are known: ``name (`torch.FloatTensor` of shape `(a, b)`)`` and `name: text [a, b]`.
pub fn shape(doc: &str, name: &str) -> Option<Vec<String>> {
    let lines: Vec<&str> = doc.lines().collect();
    lines.iter().enumerate().find_map(|(at, line)| {
        let rest = line.trim_start().strip_prefix(name)?.trim_start();
        let typed = rest.starts_with('(');
        if !typed && !rest.starts_with(':') {
            return None;
        }
        let following = lines.get(at + 1).copied().unwrap_or_default();
        let text = format!("{} {}", &rest[1..], following.trim());
        of_text(&text, typed).or_else(|| described(line, &lines[at + 1..]))
    })
}

/// The shape that the words below an argument's type give it, e.g. ``noise of shape `(a, b)` ``.
fn described(line: &str, below: &[&str]) -> Option<Vec<String>> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let text: Vec<&str> = below
        .iter()
        .take_while(|next| indent(next) > indent(line))
        .take(DESCRIPTION)
        .map(|next| next.trim())
        .collect();
    let text = text.join(" ");
    axes(text.split_once("of shape `")?.1)
}

/// The list of numbers that a docstring says an argument or a field defaults to: a list cannot stand in a signature, so some
/// classes declare nothing there and expect it from whoever makes one.
pub fn list_default(doc: &str, name: &str) -> Option<String> {
    let line = doc.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix(name)?;
        rest.starts_with(" (").then_some(rest)
    })?;
    let (_, value) = line.split_once("defaults to `[")?;
    let items = value.split("]`").next()?;
    let numbers = !items.is_empty()
        && items
            .split(',')
            .all(|item| item.trim().parse::<f64>().is_ok());
    numbers.then(|| format!("[{items}]"))
}

/// The word that a docstring gives as an example of what a field holds, in quotes: ``a rate, e.g. `"1/4"` ``.
pub fn example(doc: &str, name: &str) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = doc.lines();
    let line = lines.find(|line| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(" ("))
    })?;
    let below = lines.take_while(|next| indent(next) > indent(line));
    let text: Vec<&str> = below.take(DESCRIPTION).map(str::trim).collect();
    let text = text.join(" ");
    word(text.split_once("e.g. `\"")?.1)
}

/// The word with which a docstring's own example makes an instance, which is the value of the first field:
/// `>>> configuration = Class("word")`.
pub fn instance(doc: &str, class: &str) -> Option<String> {
    let call = format!(" = {class}(\"");
    let examples = doc
        .lines()
        .filter(|line| line.trim_start().starts_with(">>>"));
    let mut calls = examples.filter_map(|line| line.split_once(&call));
    word(calls.next()?.1)
}

/// What stands before the closing quote, as a literal.
fn word(text: &str) -> Option<String> {
    let (word, _) = text.split_once('"')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    (!word.is_empty() && word.chars().all(plain)).then(|| format!("\"{word}\""))
}

/// The first list of axes in a text; in one that gives a type, after the word `shape`.
pub fn of_text(text: &str, typed: bool) -> Option<Vec<String>> {
    let from = match text.find("shape") {
        Some(at) => &text[at..],
        None if typed => return None,
        None => text,
    };
    from.match_indices(['(', '['])
        .find_map(|(at, _)| axes(&from[at..]))
        .or_else(|| batch(text).filter(|_| typed))
}

/// A single axis over the samples, ``of shape `(batch_size)` ``, which is no tuple in Python and is written as one all the
/// same. Other words in brackets are a remark.
fn batch(text: &str) -> Option<Vec<String>> {
    // What follows the type is its description, or the next argument.
    let (_, inside) = text.split("):").next()?.split_once("shape `(")?;
    let axis = inside.split(")`").next()?;
    (axis == "batch_size").then(|| vec![axis.to_owned()])
}

fn axes(text: &str) -> Option<Vec<String>> {
    let mut depth = 0usize;
    let end = text.char_indices().find_map(|(at, c)| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at)
    })?;
    let inside = text.get(1..end)?;
    let axes: Vec<String> = inside
        .split(',')
        .map(|axis| axis.trim().trim_matches('`').to_owned())
        .filter(|axis| !axis.is_empty())
        .collect();
    let is_axis = |axis: &String| {
        axis.len() < 60
            && axis
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || " _.*+-/()".contains(c))
            && axis
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.')
                .filter(|word| !word.is_empty())
                .count()
                <= 4
            && !axis.contains(". ")
    };
    (!axes.is_empty() && inside.contains(',') && axes.iter().all(is_axis)).then_some(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = r"
    states (`torch.FloatTensor` of shape `(batch_size, sequence_length, hidden_size)`, *optional*):
        Something (e.g. this, that).
    features: Vision features [batch_size, height*width, 256]
    noise (`torch.FloatTensor`, *optional*):
        Noise. Can be batched and of shape `(batch_size, sequence_length,
        config.width)`, or (else, not).
    flag (`bool`, *optional*): Whether (or not, maybe) to.
    counts (torch.LongTensor of shape `(batch_size)`):
        How many rows each sample has.
    lengths (`torch.LongTensor` of shape `(some)`): Another.
    ";

    #[test]
    fn both_ways_of_writing_are_read() {
        assert_eq!(
            shape(DOC, "states").unwrap(),
            ["batch_size", "sequence_length", "hidden_size"]
        );
        assert_eq!(
            shape(DOC, "features").unwrap(),
            ["batch_size", "height*width", "256"]
        );
    }

    #[test]
    fn a_shape_is_read_from_the_description_too() {
        let axes = ["batch_size", "sequence_length", "config.width"];
        assert_eq!(shape(DOC, "noise").unwrap(), axes);
    }

    #[test]
    fn one_axis_over_the_samples_is_a_shape() {
        assert_eq!(shape(DOC, "counts").unwrap(), ["batch_size"]);
    }

    #[test]
    fn a_list_that_is_a_documented_default_is_read() {
        let doc = "sizes (`list[int]`, *optional*, defaults to `[3, 2]`):\n    Some.\nsizes_of (`int`, defaults to 4):";
        assert_eq!(list_default(doc, "sizes").unwrap(), "[3, 2]");
        assert_eq!(list_default(doc, "sizes_of"), None);
    }

    #[test]
    fn the_word_of_an_example_is_read() {
        let doc = "rate (`str`, *optional*):\n    Some rate,\n    e.g. `\"1/4\"` or `\"3/8\"`.\nrates (`str`):\n    Some.\n>>> config = AnyConfig(\"small-50\")\n>>> model = AnyModel(config)";
        assert_eq!(example(doc, "rate").unwrap(), "\"1/4\"");
        assert_eq!(example(doc, "rates"), None);
        assert_eq!(instance(doc, "AnyConfig").unwrap(), "\"small-50\"");
        assert_eq!(instance(doc, "AnyModel"), None);
    }

    #[test]
    fn text_in_brackets_is_no_shape() {
        assert_eq!(shape(DOC, "flag"), None);
        assert_eq!(shape(DOC, "lengths"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_docstring_is_read(doc in "\\PC*", rest in "(a \\(|a:|shape|\\(|\\)|,|\\[|\\]|`|\n| ){0,40}") {
            let _ = (shape(&doc, "a"), shape(&rest, "a"));
        }
    }
}
