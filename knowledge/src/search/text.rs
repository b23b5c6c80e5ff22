//! What an error's text says: the names and the numbers in it.

use portwright_core::{Finding, job::Frame};

/// Everything that the finding says: its sentence, the error's message and the errors that caused it.
pub fn said(finding: &Finding) -> String {
    let mut text = finding.message.clone();
    if let Some(error) = &finding.error {
        for part in std::iter::once(&error.message).chain(&error.causes) {
            text.push('\n');
            text.push_str(part);
        }
    }
    text
}

/// What torch puts between the call of a module and its `forward`, which says nothing about either.
const PLUMBING: &str = "torch/nn/modules/module.py";

/// The code of the innermost lines of the traceback, innermost first.
pub fn code(finding: &Finding) -> String {
    finding
        .error
        .iter()
        .flat_map(|error| {
            let told = |frame: &&Frame| !frame.file.ends_with(PLUMBING);
            error.frames.iter().rev().filter(told).take(4)
        })
        .map(|frame| frame.code.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether `name` stands in `text` as a word of its own.
pub fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// No size of a small model comes near it, and sums and products of two stay far from what a number can hold.
const LARGEST: u64 = 1 << 31;

/// The whole numbers of the text in their order, larger ones as [`LARGEST`]. `32x64` holds two; `conv2d` and `1.5` hold none.
pub fn numbers(text: &str) -> Vec<u64> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len() && chars[at].is_ascii_digit() {
            at += 1;
        }
        let back = |steps: usize| start.checked_sub(steps).map(|place| chars[place]);
        let times = back(1) == Some('x') && back(2).is_some_and(|c| c.is_ascii_digit());
        let inside = !times && back(1).is_some_and(|c| is_word(c) || c == '.');
        let goes_on = chars.get(at).is_some_and(|c| {
            (is_word(*c) && *c != 'x')
                || (*c == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit))
        });
        let digits: String = chars[start..at].iter().collect();
        if !inside && !goes_on {
            found.push(digits.parse().unwrap_or(LARGEST).min(LARGEST));
        }
    }
    found
}

/// Pairs of different numbers that the text sets against each other: what is and what should be, both ways round.
pub fn pairs(text: &str) -> Vec<(u64, u64)> {
    let mut distinct: Vec<u64> = Vec::new();
    for number in numbers(text) {
        if !distinct.contains(&number) && number > 0 && number < 1 << 20 {
            distinct.push(number);
        }
    }
    distinct.truncate(6);
    let mut pairs = stated(text);
    for (i, first) in distinct.iter().enumerate() {
        for second in &distinct[i + 1..] {
            for pair in [(*first, *second), (*second, *first)] {
                if !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
    }
    pairs
}

/// The pairs that a known wording sets against each other; what has to change stands first.
fn stated(text: &str) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    if let Some((_, shapes)) = text.split_once("cannot be multiplied (")
        && let [_, inner, rows, ..] = numbers(shapes)[..]
    {
        found.extend([(rows, inner), (inner, rows)]);
    }
    if let Some((before, after)) = text.split_once("but got ") {
        let wanted = numbers(before).last().copied();
        found.extend(numbers(after).first().copied().zip(wanted));
    }
    found.retain(|(is, should)| is != should && *is > 0 && *should > 0);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_words_with_digits_are_not() {
        assert_eq!(
            numbers("conv2d: mat1 (2x64 and 32x128), 1.5 of size 7."),
            [2, 64, 32, 128, 7]
        );
        assert_eq!(
            numbers("Image size (32*32) is not (224*224)"),
            [32, 32, 224, 224]
        );
    }

    #[test]
    fn a_number_that_is_no_size_is_the_largest() {
        let text = format!("of {} and {} and 3", u64::MAX, "9".repeat(40));
        assert_eq!(numbers(&text), [LARGEST, LARGEST, 3]);
    }

    #[test]
    fn the_line_that_calls_a_layer_is_read_behind_the_plumbing() {
        let frame = |file: &str, code: &str| Frame {
            file: file.into(),
            line: 1,
            function: "f".into(),
            code: code.into(),
            ..Frame::default()
        };
        let plumbing = format!("/env/{PLUMBING}");
        let frames = [
            frame("/env/modeling.py", "self.embed(actions)"),
            frame(&plumbing, "a"),
            frame(&plumbing, "b"),
            frame(&plumbing, "c"),
            frame("/env/torch/nn/modules/linear.py", "linear(input)"),
        ];
        let finding = Finding {
            stage: portwright_core::Stage::Forward,
            backend: None,
            signature: portwright_core::Signature::phrase("x"),
            message: String::new(),
            error: Some(portwright_core::job::JobError {
                frames: frames.to_vec(),
                ..portwright_core::job::JobError::default()
            }),
            hint: None,
        };
        assert_eq!(code(&finding), "linear(input)\nself.embed(actions)");
    }

    #[test]
    fn a_name_is_found_as_a_word_only() {
        assert!(names("`embed_dim` must be", "embed_dim"));
        assert!(!names("num_heads must be", "heads"));
    }

    #[test]
    fn a_pair_is_read_both_ways_round() {
        assert_eq!(pairs("expected 60 but got 30"), [(30, 60), (60, 30)]);
    }

    #[test]
    fn the_sizes_that_a_product_needs_come_before_all_others() {
        let text = "mat1 and mat2 shapes cannot be multiplied (2x32 and 640x5)";
        assert_eq!(pairs(text)[..2], [(640, 32), (32, 640)]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*") {
            let _ = (numbers(&text), pairs(&text), names(&text, "a"));
        }
    }
}
