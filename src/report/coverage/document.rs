//! The report as one JSON document.

use std::collections::{BTreeMap, BTreeSet};

use portwright_core::{
    Backend, Digest, Family, Kind, Limit, ModelType, RunId, Stage, SweepId, Verdict,
    sweep::{Row, Through},
};
use serde::Serialize;
use serde_json::Value;

use crate::report::matrix::{
    Cell, Changes, Check, Column, Cost, Goals, Group, Pattern, Report, Tally,
};

/// The version of the document.
pub const SCHEMA: u32 = 1;

/// The whole document.
#[derive(Serialize)]
pub struct Document<'a> {
    schema: u32,
    sweep: About<'a>,
    versions: BTreeMap<&'a str, BTreeSet<&'a str>>,
    judge_versions: BTreeSet<u32>,
    goals: &'a Goals,
    totals: &'a [Tally],
    kinds: &'a [Group<Kind>],
    families: &'a [Group<Family>],
    patterns: &'a [Pattern<'a>],
    changes: Option<&'a Changes<'a>>,
    cost: &'a Cost,
    rows: Vec<RowDocument<'a>>,
}

#[derive(Serialize)]
struct About<'a> {
    id: &'a SweepId,
    library_version: &'a str,
    settings: &'a Value,
    started_unix_ms: u64,
    finished_unix_ms: Option<u64>,
    finished: bool,
    asked: usize,
    ended: usize,
    missing: &'a [&'a str],
}

#[derive(Serialize)]
struct RowDocument<'a> {
    name: &'a str,
    model_type: &'a ModelType,
    kind: Kind,
    family: Family,
    through: Option<&'a Through>,
    class: Option<&'a str>,
    run: &'a RunId,
    reused: bool,
    seconds: f64,
    cpu_seconds: &'a BTreeMap<String, f64>,
    peak_resident_bytes: u64,
    cells: Vec<CellDocument<'a>>,
}

#[derive(Serialize)]
struct CellDocument<'a> {
    check: Check,
    backend: Backend,
    /// Null where there is no verdict.
    verdict: Option<Verdict>,
    /// The word to count by: a pass without evidence is none.
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<KeyEvidence<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finding: Option<KeyFinding<'a>>,
}

/// What of the evidence says how good a pass is; the ledger has the rest.
#[derive(Serialize)]
struct KeyEvidence<'a> {
    device: &'a str,
    provider: &'a str,
    nodes_on_provider: u64,
    nodes: u64,
    worst_output: Option<&'a str>,
    worst_difference: Option<f64>,
    worst_allowed: Option<f64>,
    dynamic: bool,
    artefact: &'a Digest,
    plan: &'a Digest,
    judge_version: u32,
    isolation: &'a str,
    limits: &'a [Limit],
}

#[derive(Serialize)]
struct KeyFinding<'a> {
    stage: Option<Stage>,
    signature: &'a str,
    message: &'a str,
    hint: String,
}

impl<'a> Document<'a> {
    pub fn new(report: &'a Report<'a>) -> Self {
        let matrix = &report.matrix;
        let sweep = matrix.sweep;
        Self {
            schema: SCHEMA,
            sweep: About {
                id: &sweep.id,
                library_version: &sweep.library_version,
                settings: &sweep.settings,
                started_unix_ms: sweep.started_ms,
                finished_unix_ms: sweep.finished_ms,
                finished: matrix.finished(),
                asked: matrix.asked(),
                ended: matrix.rows.len(),
                missing: &matrix.missing,
            },
            versions: matrix.versions(),
            judge_versions: matrix.judge_versions(),
            goals: &report.goals,
            totals: &report.totals,
            kinds: &report.kinds,
            families: &report.families,
            patterns: &report.patterns,
            changes: report.changes.as_ref(),
            cost: &report.cost,
            rows: matrix
                .rows
                .iter()
                .map(|row| row_document(row, &matrix.columns))
                .collect(),
        }
    }
}

fn row_document<'a>(row: &'a Row, columns: &[Column]) -> RowDocument<'a> {
    RowDocument {
        name: &row.name,
        model_type: &row.model_type,
        kind: row.kind,
        family: row.family,
        through: row.through.as_ref(),
        class: row.class.as_deref(),
        run: &row.run,
        reused: row.reused,
        seconds: row.seconds,
        cpu_seconds: &row.cpu_seconds,
        peak_resident_bytes: row.peak_resident_bytes,
        cells: columns
            .iter()
            .filter_map(|column| Some(cell_document(row, *column, Cell::of(row, *column)?)))
            .collect(),
    }
}

fn cell_document<'a>(row: &'a Row, column: Column, cell: Cell<'a>) -> CellDocument<'a> {
    let passed = cell.passed();
    let evidence = cell.evidence().filter(|_| passed).map(|evidence| {
        let worst = evidence.worst();
        KeyEvidence {
            device: &evidence.device,
            provider: &evidence.placement.provider,
            nodes_on_provider: evidence.placement.nodes_on_provider,
            nodes: evidence.placement.nodes,
            worst_output: worst.map(|output| output.name.as_str()),
            worst_difference: worst.map(|output| output.difference),
            worst_allowed: worst.map(|output| output.allowed),
            dynamic: evidence.dynamic,
            artefact: &evidence.artefact,
            plan: &evidence.plan,
            judge_version: evidence.judge_version,
            isolation: &evidence.isolation,
            limits: &evidence.limits,
        }
    });
    CellDocument {
        check: column.check,
        backend: column.backend,
        verdict: cell.verdict.map(|verdict| verdict.verdict),
        passed,
        evidence,
        finding: (!passed).then(|| KeyFinding {
            stage: cell.finding().map(|finding| finding.stage),
            signature: cell.signature(),
            message: cell.message(),
            hint: cell.hint(row, column),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::samples::Sample, *};

    fn document(report: &Report<'_>) -> Value {
        serde_json::to_value(Document::new(report)).unwrap()
    }

    #[test]
    fn the_document_of_a_finished_sweep() {
        let sample = Sample::new();
        let report = sample.report();
        insta::assert_json_snapshot!(document(&report));
    }

    #[test]
    fn an_unfinished_sweep_names_what_is_missing() {
        let sample = Sample::unfinished();
        let document = document(&sample.first_report());
        assert_eq!(document["sweep"]["finished"], false);
        assert_eq!(document["sweep"]["missing"].as_array().unwrap().len(), 3);
        assert_eq!(document["goals"]["complete"], false);
        assert!(document["changes"].is_null());
    }

    #[test]
    fn each_cell_has_evidence_or_a_finding_with_a_hint() {
        let sample = Sample::new();
        let document = document(&sample.report());
        let rows = document["rows"].as_array().unwrap();
        for cell in rows.iter().flat_map(|row| row["cells"].as_array().unwrap()) {
            let passed = cell["passed"] == true;
            assert_eq!(cell.get("evidence").is_some(), passed, "{cell}");
            assert_eq!(cell.get("finding").is_none(), passed, "{cell}");
            assert!(passed || !cell["finding"]["hint"].as_str().unwrap().is_empty());
        }
    }
}
