//! Pages in Markdown to documents, one per section.

use super::{Document, DocumentKind};

/// The sections of a page. What stands before the first heading belongs to a section named after the file.
pub fn documents(file: &str, text: &str) -> Vec<Document> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let mut sections = vec![(name.to_owned(), 1, Vec::new())];
    let mut fenced = false;
    for (line, number) in text.lines().zip(1u32..) {
        fenced ^= line.trim_start().starts_with("```");
        let heading = line
            .strip_prefix('#')
            .map(|rest| rest.trim_start_matches('#'))
            .filter(|rest| rest.starts_with(' ') && !fenced);
        match heading {
            Some(title) => sections.push((title.trim().to_owned(), number, vec![line])),
            None => {
                if let Some((_, _, lines)) = sections.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    let mut seen = std::collections::HashMap::new();
    sections
        .into_iter()
        .filter(|(_, _, lines)| lines.iter().any(|line| !line.trim().is_empty()))
        .map(|(title, line, lines)| {
            // Two sections of a page may have one title.
            let count = seen.entry(title.clone()).or_insert(0u32);
            *count += 1;
            let symbol = if *count == 1 {
                title
            } else {
                format!("{title} ({count})")
            };
            Document {
                kind: DocumentKind::Page,
                file: file.to_owned(),
                symbol,
                line,
                end_line: line + u32::try_from(lines.len()).unwrap_or(0).saturating_sub(1),
                text: lines.join("\n"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_document_and_code_has_no_headings() {
        let page = "intro\n\n# One\ntext\n```\n# no heading\n```\n## Two\nmore\n## Two\n";
        let found = documents("docs/a/page.md", page);
        let seen: Vec<_> = found
            .iter()
            .map(|d| (d.symbol.as_str(), d.line, d.end_line))
            .collect();
        assert_eq!(
            seen,
            [
                ("page.md", 1, 2),
                ("One", 3, 7),
                ("Two", 8, 9),
                ("Two (2)", 10, 10)
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_page_is_read(page in "(# |## |```|[a-z]{1,3}|\n|\\PC){0,60}") {
            let _ = documents("page.md", &page);
        }
    }
}
