//! One small report that has something of everything, for the snapshots of all forms.

use portwright_core::{Family, Kind, ModelType, Stage, Verdict, sweep::Row};
use portwright_ledger::Sweep;

use crate::report::matrix::{Report, samples::*};

/// The sweep, the one before it, and the rows of both.
pub struct Sample {
    sweep: Sweep,
    rows: Vec<Row>,
    earlier: Sweep,
    earlier_rows: Vec<Row>,
}

impl Sample {
    pub fn new() -> Self {
        let names = [
            "bert",
            "gpt2",
            "FLAN-T5",
            "clip",
            "clip_vision_model",
            "hostile",
        ];
        Self {
            sweep: sweep(&names),
            rows: rows(),
            earlier: earlier(&["bert", "gpt2", "hostile", "retired"]),
            earlier_rows: vec![
                all("bert", vec![pass(TORCH), pass(ONNX), pass(OPENVINO)]),
                all("gpt2", vec![pass(TORCH), failed(ONNX, "KeyError: _", None)]),
                all("hostile", vec![pass(TORCH)]),
                row("retired"),
            ],
        }
    }

    /// The same, cut off after its third name.
    pub fn unfinished() -> Self {
        let mut sample = Self::new();
        sample.sweep.finished_ms = None;
        sample.rows.truncate(3);
        sample
    }

    pub fn report(&self) -> Report<'_> {
        Report::new(
            &self.sweep,
            &self.rows,
            Some((&self.earlier, &self.earlier_rows)),
        )
    }

    /// The report where there is nothing to compare with.
    pub fn first_report(&self) -> Report<'_> {
        Report::new(&self.sweep, &self.rows, None)
    }
}

fn all(name: &str, verdicts: Vec<portwright_core::verdict::BackendVerdict>) -> Row {
    Row {
        verdicts,
        ..row(name)
    }
}

fn rows() -> Vec<Row> {
    let unavailable = not_passed(
        OPENVINO,
        Verdict::Unavailable,
        Stage::Execute,
        "backend unavailable",
        Some("install `openvino`"),
    );
    let timed_out = not_passed(
        OPENVINO,
        Verdict::TimedOut,
        Stage::Export,
        "timed out @ export",
        Some("raise `run.wall_seconds` in portwright.toml"),
    );
    // Two backends stopped by one cause are one entry of the details.
    let no_plan = |backend| failed(backend, "ValueError: no processor for _ @ __init__", None);
    vec![
        all(
            "bert",
            vec![
                pass(TORCH),
                static_pass(ONNX),
                failed(
                    OPENVINO,
                    "OpConversionFailure: no translation for operation aten::foo @ convert_model",
                    Some("try the other exporter"),
                ),
            ],
        ),
        Row {
            family: Family::DecoderOnly,
            generation: vec![pass(TORCH), failed(ONNX, "values differ", None)],
            ..all("gpt2", vec![pass(TORCH), pass(ONNX), timed_out])
        },
        Row {
            model_type: ModelType::new("t5"),
            family: Family::EncoderDecoder,
            reused: true,
            ..all("FLAN-T5", vec![pass(TORCH), pass(ONNX), unavailable])
        },
        Row {
            kind: Kind::Task,
            family: Family::Multimodal,
            class: None,
            ..all("clip", vec![no_plan(TORCH), no_plan(ONNX)])
        },
        Row {
            verdicts: vec![
                pass(TORCH),
                not_passed(
                    ONNX,
                    Verdict::Converted,
                    Stage::Execute,
                    "no device here executes it",
                    None,
                ),
            ],
            ..part("clip_vision_model", "clip")
        },
        Row {
            family: Family::Component,
            ..all(
                "hostile",
                vec![
                    not_passed(
                        TORCH,
                        Verdict::Crashed,
                        Stage::Forward,
                        "=cmd|'/c calc'!A1 `x` | <script>\u{1b}[31m\u{7}]]> *b*\nsecond line",
                        Some("look at /srv/somebody/lib/python3.11/modeling.py, or \"and/or\""),
                    ),
                    not_passed(
                        ONNX,
                        Verdict::OutOfMemory,
                        Stage::Execute,
                        "out of memory @ execute",
                        None,
                    ),
                    not_passed(
                        OPENVINO,
                        Verdict::Unsupported,
                        Stage::Load,
                        "no strings in this runtime",
                        None,
                    ),
                ],
            )
        },
    ]
}
