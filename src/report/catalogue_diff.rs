//! What changed between two releases, as text.

use std::fmt::Write as _;

use portwright_core::{Catalogue, ModelType};
use portwright_knowledge::catalogue::{CatalogueDiff, Change, ChangedType};

use super::catalogue::leading;

/// How long a line with many names grows.
const LINE: usize = 100;

/// New types with what they are, those that are gone, those that changed. Types of which only the source changed are
/// many in every release, so they come last and without a line of their own.
pub fn render(diff: &CatalogueDiff, new: &Catalogue) -> String {
    let source_only = |changed: &&ChangedType| changed.changes == [Change::Source];
    let (source, changed): (Vec<_>, Vec<_>) = diff.changed.iter().partition(source_only);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "Transformers {} → {}: {} new, {} gone, {} changed, {} in source only",
        diff.old,
        diff.new,
        diff.added.len(),
        diff.gone.len(),
        changed.len(),
        source.len()
    );
    if !diff.added.is_empty() {
        out.push_str("\nnew\n");
    }
    let width = diff
        .added
        .iter()
        .chain(changed.iter().map(|c| &c.model_type));
    let width = width.map(|name| name.as_str().len()).max().unwrap_or(0);
    for entry in diff.added.iter().filter_map(|name| new.get(name.as_str())) {
        let _ = writeln!(
            out,
            "  {:<width$}  {:<4}  {:<15}  {}",
            entry.model_type.as_str(),
            entry.kind,
            entry.family,
            leading(entry)
        );
    }
    section(&mut out, "gone", &diff.gone.iter().collect::<Vec<_>>());
    if !changed.is_empty() {
        out.push_str("\nchanged\n");
    }
    for type_ in changed {
        let mut name = type_.model_type.as_str();
        for text in type_.changes.iter().flat_map(describe) {
            let _ = writeln!(out, "  {name:<width$}  {text}");
            name = "";
        }
    }
    let source: Vec<&ModelType> = source.iter().map(|changed| &changed.model_type).collect();
    section(&mut out, "in source only", &source);
    out
}

/// A heading, and under it names in lines of a bounded length.
fn section(out: &mut String, heading: &str, names: &[&ModelType]) {
    if names.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{heading}");
    let mut line = String::from(" ");
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 < names.len() { "," } else { "" };
        if line.len() + name.as_str().len() + 2 > LINE {
            let _ = writeln!(out, "{line}");
            line = String::from(" ");
        }
        let _ = write!(line, " {name}{comma}");
    }
    let _ = writeln!(out, "{line}");
}

/// A change as lines: one per class, so that no line grows long.
fn describe(change: &Change) -> Vec<String> {
    let signed = |added: Vec<String>, gone: Vec<String>| {
        let added = added.into_iter().map(|text| format!("+ {text}"));
        added
            .chain(gone.into_iter().map(|text| format!("- {text}")))
            .collect()
    };
    match change {
        Change::Kind { old, new } => vec![format!("kind {old} → {new}")],
        Change::Family { old, new } => vec![format!("family {old} → {new}")],
        Change::ConfigClass { old, new } => vec![format!("configuration {old} → {new}")],
        Change::AutoClasses { added, gone } => {
            let text = |mapped: &portwright_knowledge::catalogue::Mapped| {
                format!("{} {}", mapped.auto_class, mapped.class)
            };
            signed(
                added.iter().map(text).collect(),
                gone.iter().map(text).collect(),
            )
        }
        Change::OwnClasses { added, gone } => signed(added.clone(), gone.clone()),
        Change::Source => vec!["source".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::{Digest, Family, Kind};
    use portwright_knowledge::catalogue::diff;

    use super::{
        super::catalogue::tests::{catalogue, entry},
        *,
    };

    #[test]
    fn the_difference_is_told_by_what_it_asks_for() {
        let base = |name: &str| entry(name, Kind::Base, Family::Vision);
        let mut old = vec![base("kept"), base("lost"), base("moved"), base("same")];
        let mut new = vec![
            base("kept"),
            base("moved"),
            base("same"),
            base("young_text"),
        ];
        new[1].kind = Kind::Task;
        new[1].auto_classes =
            [("AutoModelForCTC".to_owned(), vec!["MovedForCTC".to_owned()])].into();
        new[1].own_classes = vec!["MovedHead".into()];
        old[2].own_classes = vec!["OldHead".into()];
        new[1].interface = Digest::of("moved");
        new[2].interface = Digest::of("same");
        for index in 0..40 {
            let mut changed = base(&format!("source_{index}"));
            old.push(changed.clone());
            changed.interface = Digest::of("other");
            new.push(changed);
        }
        let (mut old, new) = (catalogue(old), catalogue(new));
        old.library_version = "8.0.0".into();
        insta::assert_snapshot!(render(&diff(&old, &new), &new));
    }

    #[test]
    fn no_difference_is_one_line() {
        let one = catalogue(vec![entry("a", Kind::Part, Family::Component)]);
        insta::assert_snapshot!(render(&diff(&one, &one), &one));
    }
}
