//! Changes of how an artefact is made: attention, exporter, free or fixed axes, optimisers.

use portwright_core::{
    Backend, Finding, Format, PortPlan, Stage,
    plan::{Export, Strategy},
};

use super::candidate::{Candidate, searched};

/// One change of an export entry.
struct Step {
    axis: &'static str,
    reason: &'static str,
    change: fn(&mut Export),
}

const OTHER_ATTENTION: Step = Step {
    axis: "attention",
    reason: "the other attention implementation takes another way through the exporter",
    change: |export| {
        let other = if export.attention == "eager" {
            "sdpa"
        } else {
            "eager"
        };
        export.attention = other.into();
    },
};
const LIBRARY: Step = Step {
    axis: "strategy",
    reason: "the library's own exporter for this format",
    change: |export| export.strategy = Strategy::Transformers,
};
const DYNAMO: Step = Step {
    axis: "strategy",
    reason: "the exporter of torch itself, without the library's patches",
    change: |export| export.strategy = Strategy::TorchDynamo,
};
const SCRIPT: Step = Step {
    axis: "strategy",
    reason: "the tracer knows no symbolic shapes that could fail",
    change: |export| export.strategy = Strategy::TorchScript,
};
const STATIC: Step = Step {
    axis: "dynamic",
    reason: "free axes may be what the exporter cannot express",
    change: |export| export.dynamic = false,
};
const STATIC_LIBRARY: Step = Step {
    axis: "strategy",
    reason: "the library's own exporter with fixed axes",
    change: |export| {
        export.strategy = Strategy::Transformers;
        export.dynamic = false;
    },
};
const STATIC_DYNAMO: Step = Step {
    axis: "strategy",
    reason: "the exporter of torch itself with fixed axes",
    change: |export| {
        export.strategy = Strategy::TorchDynamo;
        export.dynamic = false;
    },
};
const STATIC_SCRIPT: Step = Step {
    axis: "strategy",
    reason: "the tracer with fixed axes",
    change: |export| {
        export.strategy = Strategy::TorchScript;
        export.dynamic = false;
    },
};
const PLAIN_GRAPH: Step = Step {
    axis: "optimize",
    reason: "the exporter's graph optimiser may have changed the graph's meaning",
    change: |export| export.optimize = false,
};
const PLAIN_RUNTIME: Step = Step {
    axis: "runtime_optimization",
    reason: "the runtime's graph optimiser may have changed the graph's meaning",
    change: |export| export.runtime_optimization = Some("disable".into()),
};

/// After an export that failed: the tracer, which is cheap and keeps axes free, then fixed axes, another way through the
/// exporter, and at last the exporter of torch itself, which shares most causes with the library's.
const EXPORT: [&Step; 7] = [
    &SCRIPT,
    &STATIC,
    &STATIC_SCRIPT,
    &OTHER_ATTENTION,
    &DYNAMO,
    &STATIC_DYNAMO,
    &PLAIN_GRAPH,
];
/// After an artefact that the runtime refuses: the graph is at fault, and no optimiser of the runtime.
const REFUSED: [&Step; 6] = [
    &SCRIPT,
    &STATIC_SCRIPT,
    &PLAIN_GRAPH,
    &STATIC,
    &OTHER_ATTENTION,
    &DYNAMO,
];
/// After an artefact that gives other numbers: optimisers first.
const NUMBERS: [&Step; 7] = [
    &PLAIN_RUNTIME,
    &SCRIPT,
    &PLAIN_GRAPH,
    &OTHER_ATTENTION,
    &STATIC,
    &STATIC_SCRIPT,
    &DYNAMO,
];
/// After an artefact of the tracer that fails at other sizes, or at all: what it recorded as a number stays one.
const TRACED: [&Step; 4] = [&STATIC, &PLAIN_RUNTIME, &STATIC_LIBRARY, &OTHER_ATTENTION];

/// Plans after a finding of a backend's export, load, run or comparison.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let Some(format) = finding.backend.map(Backend::reads) else {
        return Vec::new();
    };
    let Some(export) = plan.export.get(&format) else {
        return Vec::new();
    };
    let ran = matches!(finding.stage, Stage::Compare | Stage::Execute);
    let traced = export.strategy == Strategy::TorchScript && export.dynamic;
    let source = export.strategy.reads();
    match format {
        Format::Module => Vec::new(),
        _ if source != Format::Module => {
            let mut found = apply(plan, finding, format, &[&LIBRARY, &STATIC_LIBRARY]);
            // What reads wrongly may be the fault of what it is made from: then that is made another way.
            let file = [&OTHER_ATTENTION, &PLAIN_GRAPH, &DYNAMO, &STATIC];
            found.extend(apply(plan, finding, source, &file));
            found
        }
        Format::Onnx if ran && traced => apply(plan, finding, format, &TRACED),
        Format::Onnx => match finding.stage {
            Stage::Compare => apply(plan, finding, format, &NUMBERS),
            Stage::Load | Stage::Execute => apply(plan, finding, format, &REFUSED),
            _ => apply(plan, finding, format, &EXPORT),
        },
        Format::OpenvinoIr => apply(plan, finding, format, &[&OTHER_ATTENTION, &STATIC]),
    }
}

fn apply(plan: &PortPlan, finding: &Finding, format: Format, steps: &[&Step]) -> Vec<Candidate> {
    steps
        .iter()
        .filter_map(|step| {
            let mut next = plan.clone();
            (step.change)(next.export.get_mut(&format)?);
            next.follow_sources();
            let key = format!("export.{format}.{}", step.axis);
            let provenance = searched(step.axis, finding, step.reason);
            Some(Candidate::setting(next, &key, provenance))
        })
        .collect()
}
