//! Text to words, for code and prose alike: `self.hiddenSize`, `hidden_size` and "hidden size" share their words.

use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, Stemmer, StopWordFilter, TextAnalyzer, Token,
    TokenStream, Tokenizer,
};

/// The name under which an index knows the analyzer.
pub const CODE: &str = "code";

/// Longer runs of letters are data, such as encoded bytes.
const LONGEST: usize = 80;

/// The analyzer of documents and questions.
pub fn analyzer() -> Option<TextAnalyzer> {
    let stop = StopWordFilter::new(Language::English)?;
    Some(
        TextAnalyzer::builder(CodeTokenizer)
            .filter(RemoveLongFilter::limit(LONGEST))
            .filter(LowerCaser)
            .filter(stop)
            .filter(Stemmer::new(Language::English))
            .build(),
    )
}

/// The words of a text as an index holds them, each once, in their order.
pub fn words(text: &str) -> Vec<String> {
    let Some(mut analyzer) = analyzer() else {
        return Vec::new();
    };
    let mut seen = std::collections::HashSet::new();
    let mut words = Vec::new();
    analyzer.token_stream(text).process(&mut |token| {
        if seen.insert(token.text.clone()) {
            words.push(token.text.clone());
        }
    });
    words
}

/// Splits at everything that no identifier holds, and gives each identifier whole and in its parts. Numbers are left
/// out: those of an error differ from one occurrence to the next.
#[derive(Clone, Debug, Default)]
struct CodeTokenizer;

impl Tokenizer for CodeTokenizer {
    type TokenStream<'a> = Words;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words {
        Words {
            tokens: tokens(text),
            next: 0,
        }
    }
}

struct Words {
    tokens: Vec<Token>,
    next: usize,
}

impl TokenStream for Words {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.tokens.len()
    }

    fn token(&self) -> &Token {
        &self.tokens[self.next - 1]
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.tokens[self.next - 1]
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut position = 0;
    let mut push = |from: usize, to: usize, position: usize| {
        let word = &text[from..to];
        if word.chars().any(char::is_alphabetic) {
            tokens.push(Token {
                offset_from: from,
                offset_to: to,
                position,
                text: word.to_owned(),
                position_length: 1,
            });
        }
    };
    for (from, to) in identifiers(text) {
        let parts = parts(&text[from..to]);
        push(from, to, position);
        if parts.len() > 1 {
            for (start, end) in parts {
                push(from + start, from + end, position);
                position += 1;
            }
        } else {
            position += 1;
        }
    }
    tokens
}

/// Runs of letters, digits and underscores, without underscores around them.
fn identifiers(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (at, c) in ends {
        let inside = c.is_alphanumeric() || c == '_';
        match (inside, from) {
            (true, None) => from = Some(at),
            (false, Some(begin)) => {
                let word = &text[begin..at];
                let start = begin + (word.len() - word.trim_start_matches('_').len());
                let end = begin + word.trim_end_matches('_').len();
                if start < end {
                    found.push((start, end));
                }
                from = None;
            }
            _ => {}
        }
    }
    found
}

/// The parts of an identifier between underscores and where capitals begin, as offsets: `BertSelfAttention` has
/// three, and so has `HTTPServer_v`.
fn parts(word: &str) -> Vec<(usize, usize)> {
    let chars: Vec<(usize, char)> = word.char_indices().collect();
    let mut found = Vec::new();
    let mut begin = None;
    for (index, &(at, c)) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|i| chars[i].1);
        let after = chars.get(index + 1).map(|next| next.1);
        let boundary = c.is_uppercase()
            && (before.is_some_and(|b| !b.is_uppercase()) || after.is_some_and(char::is_lowercase));
        if (c == '_' || boundary)
            && let Some(start) = begin.take()
        {
            found.push((start, at));
        }
        if c != '_' && begin.is_none() {
            begin = Some(at);
        }
    }
    if let Some(start) = begin {
        found.push((start, word.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn identifiers_are_found_whole_and_by_their_parts() {
        assert_eq!(
            raw("self.hidden_size"),
            ["self", "hidden_size", "hidden", "size"]
        );
        assert_eq!(
            raw("BertSelfAttention"),
            ["BertSelfAttention", "Bert", "Self", "Attention"]
        );
        assert_eq!(raw("__init__"), ["init"]);
        assert_eq!(raw("MoE"), ["MoE", "Mo", "E"]);
        assert_eq!(raw("ONNXProgram"), ["ONNXProgram", "ONNX", "Program"]);
    }

    #[test]
    fn numbers_are_no_words() {
        assert_eq!(
            raw("tensor a (256) at dim_1"),
            ["tensor", "a", "at", "dim_1", "dim"]
        );
    }

    #[test]
    fn a_question_meets_code_in_its_words() {
        let code = words("raise ValueError('Image features and image_tokens do not match')");
        for word in words("image tokens mismatch: features matched") {
            let known = ["mismatch"].contains(&word.as_str());
            assert!(known || code.contains(&word), "{word} {code:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_split_at_whole_letters(text in "([a-z_A-Z]{1,5}|\\PC){0,40}") {
            for token in tokens(&text) {
                assert_eq!(&text[token.offset_from..token.offset_to], token.text);
            }
        }
    }
}
