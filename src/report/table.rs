//! The closing table of a run.

use std::fmt::Write as _;

use portwright_core::{
    Verdict, text,
    verdict::{BackendVerdict, limits},
};

/// The most limits that are listed.
const MOST_LIMITS: usize = 12;

/// Colours, or none where the output is no terminal.
#[derive(Clone, Copy)]
pub struct Style {
    pub colour: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The verdict's word in its colour.
    pub fn verdict(self, verdict: Verdict) -> String {
        let text = verdict.as_str();
        match verdict {
            Verdict::Pass => self.paint("32", text),
            Verdict::Converted | Verdict::Unavailable | Verdict::Unsupported => {
                self.paint("33", text)
            }
            Verdict::Fail | Verdict::TimedOut | Verdict::Crashed | Verdict::OutOfMemory => {
                self.paint("31", text)
            }
        }
    }
}

/// The table, one line per backend, and under it what the passes leave open and the finding of each backend that did not
/// pass.
pub fn render(verdicts: &[BackendVerdict], style: Style) -> String {
    let mut out = String::new();
    let names = verdicts.iter().map(|it| it.backend.as_str().len());
    let width = names.max().unwrap_or(0).max(13);
    let _ = writeln!(
        out,
        "  {:<width$} {:<13} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10}",
        "backend", "verdict", "max diff", "allowed", "nodes", "load", "p50", "memory"
    );
    for verdict in verdicts {
        let _ = write!(
            out,
            "  {:<width$} {}",
            verdict.backend.as_str(),
            style.verdict(verdict.verdict)
        );
        if let Some(evidence) = &verdict.evidence {
            let worst = evidence.worst();
            let (difference, allowed) = worst.map_or((0.0, 0.0), |o| (o.difference, o.allowed));
            let nodes = format!(
                "{}/{}",
                evidence.placement.nodes_on_provider, evidence.placement.nodes
            );
            // By hand: the codes of a colour would count as width.
            let gap = 13_usize.saturating_sub(verdict.verdict.as_str().len());
            let _ = write!(
                out,
                "{:gap$} {:>9} {:>9} {:>9} {:>10} {:>10} {:>10}",
                "",
                scientific(difference),
                scientific(allowed),
                nodes,
                milliseconds(evidence.load_seconds),
                milliseconds(evidence.latency_p50_seconds),
                mebibytes(evidence.peak_resident_bytes)
            );
        }
        out.push('\n');
    }
    let limits = limits(verdicts);
    if !limits.is_empty() {
        out.push_str("\n  what a pass leaves open:\n");
    }
    for (limit, backends) in limits.iter().take(MOST_LIMITS) {
        let backends: Vec<&str> = backends.iter().map(|backend| backend.as_str()).collect();
        let _ = writeln!(
            out,
            "  {} {} ({})",
            style.paint("33", limit.kind.as_str()),
            text::line(&limit.sentence),
            backends.join(", ")
        );
    }
    if limits.len() > MOST_LIMITS {
        let more = limits.len() - MOST_LIMITS;
        let _ = writeln!(out, "  and {more} more, which `--json` shows");
    }
    for verdict in verdicts {
        if let Some(finding) = &verdict.finding {
            let _ = writeln!(
                out,
                "\n  {} failed at {}: {}",
                verdict.backend,
                finding.stage,
                text::line(&finding.message)
            );
            if let Some(hint) = &finding.hint {
                let _ = writeln!(out, "  {} {}", style.paint("36", "hint:"), text::line(hint));
            }
        }
    }
    out
}

fn scientific(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else {
        format!("{value:.1e}")
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portwright_core::{
        Backend, Digest, Evidence, Finding, Signature, Stage,
        verdict::{OutputEvidence, Placement},
    };

    use super::*;

    fn passed() -> BackendVerdict {
        BackendVerdict {
            backend: Backend::ONNXRUNTIME,
            verdict: Verdict::Pass,
            evidence: Some(Evidence {
                judge_version: 1,
                device: "CPU".into(),
                versions: BTreeMap::new(),
                placement: Placement {
                    provider: "CPUExecutionProvider".into(),
                    nodes_on_provider: 41,
                    nodes: 41,
                    by_provider: BTreeMap::new(),
                },
                outputs: vec![OutputEvidence {
                    name: "last_hidden_state".into(),
                    dtype: "float32".into(),
                    max_absolute: 2.4e-7,
                    max_relative: 4e-8,
                    reference_spread: 6.0,
                    reference_noise: 0.0,
                    difference: 2.4e-7,
                    allowed: 6.01e-3,
                    untouched: false,
                }],
                input_sets: vec![],
                sensitivity: vec![],
                load_seconds: 0.0123,
                latency_p50_seconds: 0.0009,
                latency_p95_seconds: 0.0011,
                peak_resident_bytes: 120 << 20,
                memory_slope_bytes: None,
                artefact: Digest::of("a"),
                artefact_bytes: 1,
                plan: Digest::of("p"),
                isolation: "namespaces+landlock+seccomp".into(),
                dynamic: true,
                limits: Vec::new(),
            }),
            finding: None,
        }
    }

    fn failed() -> BackendVerdict {
        BackendVerdict {
            backend: Backend::OPENVINO,
            verdict: Verdict::Fail,
            evidence: None,
            finding: Some(Finding {
                stage: Stage::Export,
                backend: Some(Backend::OPENVINO),
                signature: Signature::phrase("x"),
                message: "no conversion for aten::foo".into(),
                error: None,
                hint: Some("try another strategy".into()),
            }),
        }
    }

    #[test]
    fn the_table_shows_evidence_and_findings() {
        insta::assert_snapshot!(render(&[passed(), failed()], Style { colour: false }));
    }

    #[test]
    fn what_a_finding_quotes_forges_no_line() {
        let mut verdict = failed();
        let finding = verdict.finding.as_mut().unwrap();
        finding.message = "bad\n  onnxruntime   pass   0".into();
        finding.hint = Some("\r\n\u{1b}[1A  torch-cpu   pass".into());
        let told = render(&[verdict], Style { colour: false });
        insta::assert_snapshot!(told, @r"
        backend       verdict        max diff   allowed     nodes       load        p50     memory
        openvino      fail

        openvino failed at export: bad onnxruntime pass 0
        hint: \u{1b}[1A torch-cpu pass
        ");
    }

    #[test]
    fn colours_are_used_only_when_asked_for() {
        assert!(!render(&[passed()], Style { colour: false }).contains('\x1b'));
        assert!(render(&[passed()], Style { colour: true }).contains("\x1b[32mpass"));
    }
}
