//! Model types that other model types exercise: parts by a parent that holds them, and a model without a `forward` by
//! the components from which it is put together.

use portwright_core::{
    Finding, Kind, ModelType, Signature, Stage, Verdict,
    sweep::{Row, Through},
    verdict::BackendVerdict,
};
use portwright_knowledge::propose::NO_FORWARD;

/// Rows of parts that do not pass by a class of their own, as a parent covers them whose reference called their modules:
/// such a row says which, and has the parent's verdicts.
pub fn parents(rows: &[Row]) -> Vec<Row> {
    let mut covered = Vec::new();
    for row in rows.iter().filter(|row| row.kind == Kind::Part) {
        if passes(row) > 0 {
            continue;
        }
        let part = row.model_type.as_str();
        let holds = |parent: &&Row| {
            parent.model_type != row.model_type
                && parent.through.is_none()
                && parent.exercised.iter().any(|name| name == part)
        };
        // Of several parents the one that shows most.
        let Some(parent) = rows
            .iter()
            .filter(holds)
            .max_by_key(|parent| passes(parent))
        else {
            continue;
        };
        if passes(parent) > 0 {
            covered.push(Row {
                through: Some(Through::Parent(parent.model_type.clone())),
                run: parent.run.clone(),
                class: parent.class.clone(),
                verdicts: parent.verdicts.clone(),
                ..row.clone()
            });
        }
    }
    covered
}

/// The row of a model that has no `forward` and is put together from others, with what became of those: such a model
/// passes on a backend where all of its components do, and what is called of it itself. Without a row for each of its
/// components it does not pass.
pub fn components(row: Row, rows: &[Row]) -> Row {
    let Some(Through::Components(names)) = &row.through else {
        return row;
    };
    let mut all: Vec<&Row> = Vec::new();
    all.extend((!is_only_composed(&row)).then_some(&row));
    for name in names {
        match rows.iter().find(|row| row.name == name.as_str()) {
            Some(component) => all.push(component),
            None => return without(&row, name),
        }
    }
    Row {
        verdicts: weakest(&row.verdicts, &all, |row| &row.verdicts),
        generation: weakest(&row.generation, &all, |row| &row.generation),
        ..row.clone()
    }
}

/// The row of a model of which one component was not exercised: what was called of the model itself is not all of it.
fn without(row: &Row, component: &ModelType) -> Row {
    let mut row = row.clone();
    let own = row.verdicts.iter_mut().chain(&mut row.generation);
    for verdict in own.filter(|it| it.verdict == Verdict::Pass) {
        verdict.verdict = Verdict::Fail;
        verdict.evidence = None;
        verdict.finding = Some(Finding {
            stage: Stage::Reference,
            backend: Some(verdict.backend),
            signature: Signature::phrase("a component is not exercised"),
            message: format!(
                "the model is put together from `{component}`, which has no row in this sweep"
            ),
            error: None,
            hint: Some("sweep it as well, where the catalogue has it".to_owned()),
        });
    }
    row
}

/// Whether nothing can be called of the model itself: its verdicts say no more than that.
fn is_only_composed(row: &Row) -> bool {
    let mut findings = row.verdicts.iter().map(|verdict| &verdict.finding);
    findings.all(|it| it.as_ref().is_some_and(|it| it.signature.0 == NO_FORWARD))
}

/// For each of the verdicts the first of the rows' that is no pass on its backend, or else the first; the verdict itself
/// where no row has one.
fn weakest(
    verdicts: &[BackendVerdict],
    rows: &[&Row],
    of: impl Fn(&Row) -> &Vec<BackendVerdict>,
) -> Vec<BackendVerdict> {
    let mut weakest = Vec::new();
    for verdict in verdicts {
        let on_backend = |row: &&Row| {
            let given = of(row).iter().find(|it| it.backend == verdict.backend);
            given.map(|given| (row.name.clone(), given.clone()))
        };
        let given: Vec<(String, BackendVerdict)> = rows.iter().filter_map(on_backend).collect();
        let fails = |(_, given): &&(String, BackendVerdict)| given.verdict != Verdict::Pass;
        weakest.push(match given.iter().find(fails) {
            Some((name, failing)) => named(failing, name),
            None => given.first().map_or(verdict, |(_, first)| first).clone(),
        });
    }
    weakest
}

/// A verdict whose finding says which component it is about.
fn named(verdict: &BackendVerdict, component: &str) -> BackendVerdict {
    let mut verdict = verdict.clone();
    if let Some(finding) = &mut verdict.finding {
        finding.message = format!("`{component}`: {}", finding.message);
    }
    verdict
}

fn passes(row: &Row) -> usize {
    row.verdicts
        .iter()
        .filter(|v| v.verdict == Verdict::Pass)
        .count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{Backend, Family, RunId, sweep::SCHEMA};

    use super::*;

    fn finding(cause: &str) -> Option<Finding> {
        Some(Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase(cause),
            message: cause.to_owned(),
            error: None,
            hint: None,
        })
    }

    fn verdict(verdict: Verdict) -> BackendVerdict {
        BackendVerdict {
            backend: Backend::TORCH_CPU,
            verdict,
            evidence: None,
            finding: finding("it raises").filter(|_| verdict != Verdict::Pass),
        }
    }

    fn row(name: &str, kind: Kind, word: Verdict, exercised: &[&str]) -> Row {
        Row {
            schema: SCHEMA,
            name: name.into(),
            model_type: ModelType::new(name),
            kind,
            family: Family::Component,
            through: None,
            run: RunId::new(format!("{name}-run")),
            class: None,
            verdicts: vec![verdict(word)],
            generation: Vec::new(),
            reused: false,
            seconds: 0.0,
            cpu_seconds: BTreeMap::new(),
            peak_resident_bytes: 0,
            exercised: exercised.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn a_part_counts_through_a_parent_that_called_it_and_passes() {
        let rows = [
            row("whole", Kind::Base, Verdict::Pass, &["whole", "tower"]),
            row("tower", Kind::Part, Verdict::Fail, &[]),
        ];
        let covered = parents(&rows);
        assert_eq!(covered.len(), 1);
        assert_eq!(covered[0].name, "tower");
        assert_eq!(covered[0].run.as_str(), "whole-run");
        let parent = Through::Parent(ModelType::new("whole"));
        assert_eq!(covered[0].through, Some(parent));
    }

    #[test]
    fn a_parent_that_fails_or_never_called_the_part_covers_nothing() {
        let tower = || row("tower", Kind::Part, Verdict::Fail, &[]);
        let fails = row("whole", Kind::Base, Verdict::Fail, &["tower"]);
        assert!(parents(&[fails, tower()]).is_empty());
        let elsewhere = row("whole", Kind::Base, Verdict::Pass, &["whole"]);
        assert!(parents(&[elsewhere, tower()]).is_empty());
    }

    #[test]
    fn a_part_that_passes_by_itself_keeps_its_own_row() {
        let rows = [
            row("whole", Kind::Base, Verdict::Pass, &["tower"]),
            row("tower", Kind::Part, Verdict::Pass, &["tower"]),
        ];
        assert!(parents(&rows).is_empty());
    }

    #[test]
    fn what_is_no_part_is_never_covered_by_another() {
        let rows = [
            row("whole", Kind::Base, Verdict::Pass, &["other"]),
            row("other", Kind::Base, Verdict::Fail, &[]),
        ];
        assert!(parents(&rows).is_empty());
    }

    /// A model that is put together from two others, and which has failed at its analysis.
    fn composed(first: Verdict, second: Verdict) -> [Row; 3] {
        let names = ["coarse", "fine"].map(ModelType::new);
        let mut whole = Row {
            through: Some(Through::Components(names.into())),
            ..row("whole", Kind::Base, Verdict::Fail, &[])
        };
        for verdict in &mut whole.verdicts {
            verdict.finding = finding(NO_FORWARD);
        }
        let fine = Row {
            generation: vec![verdict(Verdict::Pass)],
            ..row("fine", Kind::Part, second, &[])
        };
        [whole, row("coarse", Kind::Part, first, &[]), fine]
    }

    #[test]
    fn a_model_without_a_forward_passes_where_all_its_components_do() {
        let [whole, swept @ ..] = composed(Verdict::Pass, Verdict::Pass);
        let row = components(whole, &swept);
        assert_eq!(row.verdicts, [verdict(Verdict::Pass)]);
        // It was not said to generate, so that a component which does says nothing of it.
        assert!(row.generation.is_empty());
    }

    #[test]
    fn a_component_that_fails_fails_the_whole_and_is_named() {
        let [whole, swept @ ..] = composed(Verdict::Pass, Verdict::Fail);
        let row = components(whole, &swept);
        let finding = row.verdicts[0].finding.as_ref().unwrap();
        assert_eq!(finding.message, "`fine`: it raises");
    }

    #[test]
    fn what_is_called_of_the_whole_itself_must_pass_too() {
        let [mut whole, swept @ ..] = composed(Verdict::Pass, Verdict::Pass);
        whole.verdicts = vec![verdict(Verdict::Fail)];
        let row = components(whole, &swept);
        let finding = row.verdicts[0].finding.as_ref().unwrap();
        assert_eq!(finding.message, "`whole`: it raises");
    }

    #[test]
    fn a_model_whose_components_were_not_all_swept_does_not_pass() {
        let [mut whole, coarse, _] = composed(Verdict::Pass, Verdict::Pass);
        let swept = [coarse];
        assert_eq!(components(whole.clone(), &swept), whole);
        // Nor does it by what is called of it itself.
        whole.verdicts = vec![verdict(Verdict::Pass)];
        whole.generation = vec![verdict(Verdict::Pass)];
        let row = components(whole, &swept);
        for verdict in row.verdicts.iter().chain(&row.generation) {
            assert_eq!(verdict.verdict, Verdict::Fail);
            let finding = verdict.finding.as_ref().unwrap();
            assert!(finding.message.contains("`fine`"), "{}", finding.message);
        }
    }
}
