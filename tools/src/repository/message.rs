//! The message of a skillset's commit.

use portwright_core::{
    Digest, ModelType, RunId, Verdict,
    text::line,
    verdict::{BackendVerdict, limits},
};

/// What a commit's message tells.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'s> {
    pub model_type: &'s ModelType,
    pub run: &'s RunId,
    pub plan: &'s Digest,
    /// The release of Transformers that was ported.
    pub library_version: &'s str,
    /// The words of the fresh verification, in the order in which backends are shown.
    pub verdicts: &'s [BackendVerdict],
}

/// Renders the message: a subject, the verdict table, why others did not pass, and trailers for machines.
pub fn message(summary: &Summary<'_>) -> String {
    let passed = summary
        .verdicts
        .iter()
        .filter(|word| word.verdict == Verdict::Pass)
        .count();
    let mut text = format!(
        "{}: {passed} of {} {} pass\n\n",
        summary.model_type,
        summary.verdicts.len(),
        if summary.verdicts.len() == 1 {
            "backend"
        } else {
            "backends"
        },
    );
    text.push_str(&table(summary.verdicts));
    for word in summary.verdicts {
        if let Some(finding) = &word.finding {
            text.push_str(&format!(
                "\n{}, {}: {}\n",
                word.backend,
                finding.stage,
                // In one line: it must not begin a trailer.
                line(&finding.message)
            ));
        }
    }
    let limits = limits(summary.verdicts);
    if !limits.is_empty() {
        text.push_str("\nWhat the passes leave open:\n\n");
    }
    for (limit, backends) in limits {
        let backends: Vec<&str> = backends.iter().map(|backend| backend.as_str()).collect();
        text.push_str(&format!(
            "- {} ({}): {}\n",
            limit.kind,
            backends.join(", "),
            line(&limit.sentence)
        ));
    }
    text.push_str(&format!(
        "\nPortwright-Run: {}\nPortwright-Plan: {}\nTransformers-Version: {}\n",
        summary.run, summary.plan, summary.library_version
    ));
    text
}

fn table(verdicts: &[BackendVerdict]) -> String {
    let mut rows = vec![
        [
            "backend",
            "verdict",
            "device",
            "difference",
            "allowed",
            "p50",
        ]
        .map(str::to_owned),
    ];
    rows.extend(verdicts.iter().map(row));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
        if index == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text.push_str(&format!("| {} |\n", rules.join(" | ")));
        }
    }
    text
}

/// A backend's row. The difference is that of the output which came closest to what was allowed, or went furthest
/// over it.
fn row(word: &BackendVerdict) -> [String; 6] {
    let mut row = [
        word.backend.to_string(),
        word.verdict.as_str().to_owned(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ];
    if let Some(evidence) = &word.evidence {
        row[2] = line(&evidence.device);
        row[5] = format!("{:.1} ms", evidence.latency_p50_seconds * 1000.0);
        if let Some(worst) = evidence.worst() {
            row[3] = format!("{:.1e}", worst.difference);
            row[4] = format!("{:.1e}", worst.allowed);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{
        Backend, Evidence, Finding, Signature, Stage,
        verdict::{OutputEvidence, Placement},
    };

    use super::*;

    fn output(name: &str, max_absolute: f64, allowed: f64) -> OutputEvidence {
        OutputEvidence {
            name: name.to_owned(),
            dtype: "F32".to_owned(),
            max_absolute,
            max_relative: max_absolute,
            reference_spread: 4.0,
            reference_noise: 0.0,
            difference: max_absolute,
            allowed,
            untouched: false,
        }
    }

    fn passed(backend: Backend) -> BackendVerdict {
        let evidence = Evidence {
            judge_version: 1,
            device: "CPU".to_owned(),
            versions: BTreeMap::new(),
            placement: Placement {
                provider: "CPUExecutionProvider".to_owned(),
                nodes_on_provider: 9,
                nodes: 9,
                by_provider: BTreeMap::new(),
            },
            outputs: vec![output("large", 2e-4, 1.0), output("tight", 1.5e-6, 2e-6)],
            input_sets: vec![],
            sensitivity: vec![],
            load_seconds: 0.1,
            latency_p50_seconds: 0.00312,
            latency_p95_seconds: 0.004,
            peak_resident_bytes: 1 << 29,
            memory_slope_bytes: None,
            artefact: Digest::of("artefact"),
            artefact_bytes: 10,
            plan: Digest::of("plan"),
            isolation: "namespaces+landlock+seccomp".to_owned(),
            dynamic: true,
            limits: Vec::new(),
        };
        BackendVerdict {
            backend,
            verdict: Verdict::Pass,
            evidence: Some(evidence),
            finding: None,
        }
    }

    #[test]
    fn what_a_finding_quotes_begins_no_trailer() {
        let mut failed = passed(Backend::OPENVINO);
        failed.verdict = Verdict::Fail;
        failed.evidence = None;
        failed.finding = Some(Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: "bad\n\nPortwright-Plan: forged\u{1b}[2J".to_owned(),
            error: None,
            hint: None,
        });
        let text = message(&Summary {
            model_type: &ModelType::new("bert"),
            run: &RunId::new("run"),
            plan: &Digest::of("plan"),
            library_version: "5.20.2",
            verdicts: &[failed],
        });
        let trailers = text.lines().filter(|it| it.starts_with("Portwright-Plan"));
        assert_eq!(trailers.count(), 1, "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn the_message_holds_the_verdict_table_and_why_a_backend_does_not_pass() {
        let crashed = BackendVerdict {
            backend: Backend::OPENVINO,
            verdict: Verdict::OutOfMemory,
            evidence: None,
            finding: Some(Finding {
                stage: Stage::Execute,
                backend: Some(Backend::OPENVINO),
                signature: Signature::phrase("out of memory @ execute"),
                message:
                    "the process tree reached 4100 MiB of resident memory; the limit is 4096 MiB"
                        .to_owned(),
                error: None,
                hint: None,
            }),
        };
        let text = message(&Summary {
            model_type: &ModelType::new("bert"),
            run: &RunId::new("bert-20261122T033000-7f3a"),
            plan: &Digest::of("plan"),
            library_version: "5.20.2",
            verdicts: &[
                passed(Backend::TORCH_CPU),
                passed(Backend::ONNXRUNTIME),
                crashed,
            ],
        });
        insta::assert_snapshot!(text, @r"
        bert: 2 of 3 backends pass

        | backend     | verdict       | device | difference | allowed | p50    |
        | ----------- | ------------- | ------ | ---------- | ------- | ------ |
        | torch-cpu   | pass          | CPU    | 1.5e-6     | 2.0e-6  | 3.1 ms |
        | onnxruntime | pass          | CPU    | 1.5e-6     | 2.0e-6  | 3.1 ms |
        | openvino    | out of memory |        |            |         |        |

        openvino, execute: the process tree reached 4100 MiB of resident memory; the limit is 4096 MiB

        Portwright-Run: bert-20261122T033000-7f3a
        Portwright-Plan: 64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525
        Transformers-Version: 5.20.2
        ");
    }
}
