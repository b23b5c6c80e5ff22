//! What the templates of the code are told.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Value, context};
use portwright_core::{
    Backend, Family,
    plan::{AdaptationKind, Axis, Export, PortPlan, Strategy},
    text::is_word,
};

use serde_json::{Map, Value as Json};

use super::{
    RenderError, classes, inputs, patches,
    python::{Literal, string, wrap},
};

/// A local folder's configuration, which may be given beside its modelling files.
pub const CONFIG_FILE: &str = "config.json";

/// The templates of a family's module and tests.
pub fn family_templates(family: Family) -> (&'static str, &'static str) {
    const PLAIN: &str = "family_test/plain.py.j2";
    match family {
        Family::EncoderOnly => ("family/encoder_only.py.j2", PLAIN),
        Family::DecoderOnly => (
            "family/decoder_only.py.j2",
            "family_test/decoder_only.py.j2",
        ),
        Family::EncoderDecoder => (
            "family/encoder_decoder.py.j2",
            "family_test/encoder_decoder.py.j2",
        ),
        Family::Vision => ("family/vision.py.j2", PLAIN),
        Family::Speech => ("family/speech.py.j2", PLAIN),
        Family::Multimodal => ("family/multimodal.py.j2", PLAIN),
        Family::TimeSeries => ("family/time_series.py.j2", PLAIN),
        Family::Component => ("family/component.py.j2", PLAIN),
    }
}

/// Whether the plan's classes come from a local folder.
pub fn is_local(plan: &PortPlan) -> bool {
    plan.module != "transformers" && !plan.module.starts_with("transformers.")
}

/// The batch of the traced example.
pub fn batch(plan: &PortPlan) -> u64 {
    match (
        plan.dims.get("batch"),
        plan.inputs.first().and_then(|input| input.shape.first()),
    ) {
        (Some(dim), _) => dim.example,
        (None, Some(Axis::Fixed(size))) => *size,
        _ => 1,
    }
}

/// The first sentence of the module and of the document.
pub fn headline(plan: &PortPlan) -> String {
    let mut names = vec!["PyTorch"];
    if plan.export.contains_key(&Backend::Onnxruntime) {
        names.push("ONNX Runtime");
    }
    if plan.export.contains_key(&Backend::Openvino) {
        names.push("OpenVINO");
    }
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() {
        last.to_owned()
    } else {
        format!("{} and {last}", names.join(", "))
    };
    format!(
        "`{}` ({}, {}) on {names}.",
        plan.class, plan.family, plan.task
    )
}

/// The backends of the plan: PyTorch always, the others where the plan says how to build them.
pub fn backends(plan: &PortPlan) -> Vec<Backend> {
    let built = plan
        .export
        .keys()
        .copied()
        .filter(|backend| *backend != Backend::TorchCpu);
    [Backend::TorchCpu].into_iter().chain(built).collect()
}

/// One adaptation as a phrase.
pub fn change(kind: &AdaptationKind) -> String {
    match kind {
        AdaptationKind::Setting { key } => format!("the plan's `{key}`"),
        AdaptationKind::ExpertsImplementation { name } => {
            format!("experts implementation `{name}`")
        }
        AdaptationKind::AntialiasAsProduct => "antialiased resizes as products of matrices".into(),
        AdaptationKind::TorchPatch(patch) => {
            format!("another `{}` while the model is exported", patch.target)
        }
    }
}

fn check_text(key: &str, text: &str) -> Result<(), RenderError> {
    if is_word(text) {
        Ok(())
    } else {
        Err(RenderError::Text {
            key: key.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// Everything that the templates of the module and of its tests use.
pub fn code(
    plan: &PortPlan,
    modelling: Option<&BTreeMap<String, String>>,
) -> Result<Value, RenderError> {
    check_text("model_type", plan.model_type.as_str())?;
    check_text("task", &plan.task)?;
    check_text("library_version", &plan.library_version)?;
    for name in plan.dims.keys() {
        check_text("dims", name)?;
    }
    let config = config(plan, modelling)?;
    let backends = backends(plan);
    let exported = backends.len() > 1;
    // Its tests build the ONNX file once for both backends, so both must be there.
    let converts = plan.export.contains_key(&Backend::Onnxruntime)
        && plan
            .export
            .get(&Backend::Openvino)
            .is_some_and(|export| export.strategy == Strategy::FromOnnx);
    let free: Vec<_> = plan
        .dims
        .iter()
        .filter_map(|(name, dim)| Some((name, dim.other?)))
        .collect();
    let export = |backend: Backend| {
        plan.export
            .get(&backend)
            .map(|export| export_context(plan, export, !free.is_empty()))
    };
    let tables = plan
        .export
        .iter()
        .any(|(backend, export)| *backend != Backend::TorchCpu && holds_tables(plan, export));
    let uses = |strategy: &[Strategy], dynamic: bool| {
        let found = |export: &Export| {
            strategy.contains(&export.strategy) && (!dynamic || export.dynamic && !free.is_empty())
        };
        plan.export
            .iter()
            .any(|(backend, export)| *backend != Backend::TorchCpu && found(export))
    };
    let dynamic_shapes = uses(&[Strategy::Transformers, Strategy::TorchDynamo], true);
    let dynamic_axes = uses(&[Strategy::TorchScript], true);
    // ONNX written through `torch.export` names the limit itself; the TorchScript exporter knows it.
    let large = plan.export.iter().any(|(backend, export)| {
        *backend != Backend::TorchCpu && export.strategy == Strategy::TorchDynamo
            || *backend == Backend::Onnxruntime && export.strategy == Strategy::Transformers
    });
    let products = exported
        && plan
            .adaptations
            .iter()
            .any(|known| known.kind == AdaptationKind::AntialiasAsProduct);
    let spelled = is_spelled(plan);
    let batch = batch(plan);
    let random: Vec<_> = plan
        .inputs
        .iter()
        .filter(|input| inputs::is_random(input, batch))
        .collect();
    let token = match plan.family {
        Family::EncoderDecoder => "decoder_input_ids",
        _ => "input_ids",
    };
    let token_low = plan.input(token).and_then(|input| match input.values {
        portwright_core::plan::Values::Integer { low, high } if high - low > 1 => Some(low),
        _ => None,
    });
    Ok(context! {
        model_type => plan.model_type.as_str(),
        slug => plan.model_type.slug(),
        family => plan.family.as_str(),
        task => plan.task.as_str(),
        class => plan.class.as_str(),
        model => classes::model_name(plan),
        methods => classes::methods(plan),
        session => plan.session.as_ref().map(|it| classes::session(plan, it)),
        config_class => plan.config_class.as_str(),
        library_version => plan.library_version.as_str(),
        headline => headline(plan),
        backends => backends.iter().map(|backend| backend.as_str()).collect::<Vec<_>>(),
        local => is_local(plan),
        nested => config.values().any(serde_json::Value::is_object),
        exported,
        converts,
        test_imports => if converts { "INPUTS, Arrays, Skillset, backends, build, load" } else { "INPUTS, Arrays, Skillset, backends, load" },
        stdlib_imports => stdlib_imports(exported, tables || products || !plan.call.is_empty(), products),
        class_import => classes::class_import(plan, modelling)?,
        config_literal => Literal::of_json(&serde_json::Value::Object(config.clone())).after(0, "CONFIG: dict[str, Any] = ", ""),
        repaired => exported && !repaired(plan).is_empty(),
        repaired_literal => Literal::of_json(&Json::Object(repaired(plan))).after(0, "REPAIRED: dict[str, Any] = ", ""),
        call => !plan.call.is_empty(),
        call_literal => Literal::of_json(&serde_json::Value::Object(plan.call.clone())).after(0, "CALL: dict[str, Any] = ", ""),
        inputs_literal => inputs_literal(plan),
        sizes_literal => sizes_literal("SIZES: dict[str, int] = ", plan.dims.iter().map(|(name, dim)| (name, dim.example))),
        free_literal => sizes_literal("FREE: dict[str, int] = ", free.iter().copied()),
        seed => plan.weights.seed,
        gain => plan.weights.gain,
        need => context! { free => dynamic_shapes || dynamic_axes, large, dynamic_shapes, dynamic_axes, flat => uses(&[Strategy::TorchDynamo, Strategy::TorchScript], false), tables },
        tables_literal => tables_literal(plan),
        default_batch => batch,
        inputs => plan.inputs.iter().map(|input| context! { name => input.name.as_str(), dtype => numpy_name(input), axes => inputs::axes(input) }).collect::<Vec<_>>(),
        example_inputs => inputs::function(plan, batch),
        adaptations_literal => adaptations_literal(plan),
        packages_literal => packages_literal(plan, &backends),
        experts => experts(plan),
        patched => exported && patches::listed(plan).next().is_some(),
        products,
        spelled,
        onnxruntime => export(Backend::Onnxruntime),
        openvino => export(Backend::Openvino),
        builders_literal => functions("_BUILDERS = ", "_export_", plan),
        runners_literal => functions("_RUNNERS = ", "_run_", plan),
        backends_literal => Literal::List(backends.iter().map(|backend| Literal::text(backend.as_str())).collect()).after(0, "", ""),
        batches_literal => batches_literal(plan, batch),
        moved => !random.is_empty(),
        moved_literal => Literal::List(random.iter().map(|input| Literal::text(&input.name)).collect()).after(0, "MOVED = ", ""),
        rows => rows_are_independent(plan, batch),
        row_batch => batch,
        causal => matches!(plan.task.as_str(), "causal-lm" | "seq2seq-lm") && token_low.is_some(),
        token_low => token_low.unwrap_or(0),
    })
}

/// Whether the TorchScript tracer makes an artefact: it is then met with stand-ins for what its exporter cannot write.
pub fn is_spelled(plan: &PortPlan) -> bool {
    let traced = |export: &Export| export.strategy == Strategy::TorchScript;
    let others = plan.export.iter();
    others
        .filter(|(backend, _)| **backend != Backend::TorchCpu)
        .any(|(_, export)| traced(export))
}

/// The configuration's overrides; those of a local folder lie over the folder's own `config.json`.
fn config(
    plan: &PortPlan,
    modelling: Option<&BTreeMap<String, String>>,
) -> Result<Map<String, Json>, RenderError> {
    let own = modelling
        .filter(|_| is_local(plan))
        .and_then(|files| files.get(CONFIG_FILE));
    let mut config = match own {
        Some(text) => serde_json::from_str(text).map_err(RenderError::Config)?,
        None => Map::new(),
    };
    for key in [
        "architectures",
        "auto_map",
        "model_type",
        "transformers_version",
    ] {
        config.shift_remove(key);
    }
    merge(&mut config, &plan.config);
    Ok(config)
}

/// What repairs set in the configuration, by dotted path. A key of an adaptation names one or several fields; one that
/// says only what kind of thing was changed names none.
fn repaired(plan: &PortPlan) -> Map<String, Json> {
    let keys = plan
        .adaptations
        .iter()
        .filter_map(|known| match &known.kind {
            AdaptationKind::Setting { key } => key.strip_prefix("config."),
            _ => None,
        });
    let paths = keys.flat_map(|key| key.split(',')).map(|path| {
        let path = path.trim();
        path.strip_prefix("config.").unwrap_or(path)
    });
    let value = |path: &str| {
        let mut parts = path.split('.');
        let first = plan.config.get(parts.next()?)?;
        parts
            .try_fold(first, |value, part| value.get(part))
            .cloned()
    };
    paths
        .filter_map(|path| Some((path.to_owned(), value(path)?)))
        .collect()
}

fn merge(values: &mut Map<String, Json>, overrides: &Map<String, Json>) {
    for (key, value) in overrides {
        match (values.get_mut(key), value) {
            (Some(Json::Object(old)), Json::Object(new)) => merge(old, new),
            _ => {
                values.insert(key.clone(), value.clone());
            }
        }
    }
}

fn stdlib_imports(exported: bool, functools: bool, iterator: bool) -> Vec<&'static str> {
    let mut lines = Vec::new();
    if exported {
        lines.push("import contextlib");
    }
    lines.push("import copy");
    if exported && functools {
        lines.push("import functools");
    }
    lines.extend([
        "import gc",
        "import importlib.metadata",
        "import importlib.util",
    ]);
    if exported {
        lines.extend(["import sys", "import tempfile"]);
    }
    lines.push(if iterator {
        "from collections.abc import Callable, Iterator"
    } else {
        "from collections.abc import Callable"
    });
    lines.extend(["from pathlib import Path", "from typing import Any, Self"]);
    lines
}

fn numpy_name(input: &portwright_core::plan::InputSpec) -> String {
    format!("{:?}", input.dtype).to_lowercase()
}

fn inputs_literal(plan: &PortPlan) -> String {
    let axis = |axis: &Axis| match axis {
        Axis::Fixed(size) => Literal::Source(size.to_string()),
        Axis::Named(name) => Literal::text(&name.replace(' ', "")),
    };
    let items = plan.inputs.iter().map(|input| {
        let axes = Literal::Tuple(input.shape.iter().map(axis).collect());
        (
            string(&input.name),
            Literal::Tuple(vec![Literal::text(&numpy_name(input)), axes]),
        )
    });
    Literal::Dict(items.collect()).after(
        0,
        "INPUTS: dict[str, tuple[str, tuple[int | str, ...]]] = ",
        "",
    )
}

fn sizes_literal<'a>(prefix: &str, sizes: impl Iterator<Item = (&'a String, u64)>) -> String {
    let items = sizes.map(|(name, size)| (string(name), Literal::Source(size.to_string())));
    Literal::Dict(items.collect()).after(0, prefix, "")
}

fn adaptations_literal(plan: &PortPlan) -> String {
    let items = plan.adaptations.iter().map(|adaptation| {
        Literal::Dict(vec![
            (string("change"), Literal::text(&change(&adaptation.kind))),
            (
                string("reason"),
                Literal::text(&adaptation.provenance.reason),
            ),
        ])
    });
    let prefix = "\"adaptations\": ";
    Literal::List(items.collect()).after(12, prefix, ",")[prefix.len()..]
        .trim_end_matches(',')
        .to_owned()
}

fn packages_literal(plan: &PortPlan, backends: &[Backend]) -> String {
    let items = backends.iter().map(|backend| {
        let packages = packages(plan, *backend).into_iter().map(Literal::text);
        (string(backend.as_str()), Literal::List(packages.collect()))
    });
    let prefix = "packages = ";
    Literal::Dict(items.collect()).after(4, prefix, "")[prefix.len()..].to_owned()
}

/// The packages that a backend of the port needs beside PyTorch and Transformers.
fn packages(plan: &PortPlan, backend: Backend) -> Vec<&'static str> {
    let onnx = |strategy: Strategy| strategy != Strategy::TorchScript;
    let strategy = |backend| plan.export.get(&backend).map(|export| export.strategy);
    match (backend, strategy(backend)) {
        (Backend::Onnxruntime, Some(own)) if onnx(own) => vec!["onnxruntime", "onnxscript"],
        (Backend::Onnxruntime, Some(_)) => vec!["onnxruntime"],
        (Backend::Openvino, Some(own)) => {
            let source = if own == Strategy::FromOnnx {
                strategy(Backend::Onnxruntime)
            } else {
                Some(own)
            };
            if own != Strategy::Transformers && source.is_some_and(onnx) {
                vec!["openvino", "onnxscript"]
            } else {
                vec!["openvino"]
            }
        }
        _ => vec!["torch"],
    }
}

/// Every package that a port needs on all its backends, in the order of the alphabet.
pub(super) fn requirements(plan: &PortPlan) -> BTreeSet<&'static str> {
    let of_backends = backends(plan)
        .into_iter()
        .flat_map(|backend| packages(plan, backend));
    of_backends
        .chain(["numpy", "safetensors", "torch", "transformers"])
        .collect()
}

fn experts(plan: &PortPlan) -> Vec<Value> {
    let found = plan
        .adaptations
        .iter()
        .filter_map(|adaptation| match &adaptation.kind {
            AdaptationKind::ExpertsImplementation { name } => {
                Some(context! { name, comment => wrap(&adaptation.provenance.reason, 82) })
            }
            AdaptationKind::Setting { .. }
            | AdaptationKind::AntialiasAsProduct
            | AdaptationKind::TorchPatch(_) => None,
        });
    found.collect()
}

/// Whether an artefact has the plan's tables as constants: with fixed axes they can have no other values.
fn holds_tables(plan: &PortPlan, export: &Export) -> bool {
    !export.dynamic && plan.tables().next().is_some()
}

fn tables_literal(plan: &PortPlan) -> String {
    let items = plan.tables().map(|(input, row)| {
        let row = row.iter().map(|value| Literal::Source(value.to_string()));
        (string(&input.name), Literal::List(row.collect()))
    });
    Literal::Dict(items.collect()).after(0, "TABLES: dict[str, list[int]] = ", "")
}

fn export_context(plan: &PortPlan, export: &Export, free: bool) -> Value {
    let level = export
        .runtime_optimization
        .as_deref()
        .map(|level| match level {
            "disable" => "ORT_DISABLE_ALL",
            "basic" => "ORT_ENABLE_BASIC",
            "extended" => "ORT_ENABLE_EXTENDED",
            _ => "ORT_ENABLE_ALL",
        });
    context! {
        strategy => export.strategy.as_str(),
        dynamic => export.dynamic && free,
        holds_tables => holds_tables(plan, export),
        opset => export.opset,
        optimize => export.optimize,
        attention => export.attention.as_str(),
        level,
    }
}

fn functions(prefix: &str, function: &str, plan: &PortPlan) -> String {
    let exported = [Backend::Onnxruntime, Backend::Openvino]
        .into_iter()
        .filter(|backend| plan.export.contains_key(backend));
    let items = exported.map(|backend| {
        let name = match (backend, function) {
            (Backend::Onnxruntime, "_export_") => "_export_onnx".to_owned(),
            _ => format!("{function}{backend}"),
        };
        (string(backend.as_str()), Literal::Source(name))
    });
    Literal::Dict(items.collect()).after(0, prefix, "")
}

/// The batch sizes that every backend of the plan takes.
fn batches_literal(plan: &PortPlan, batch: u64) -> String {
    let fixed = plan
        .export
        .iter()
        .any(|(backend, export)| *backend != Backend::TorchCpu && !export.dynamic);
    let other = plan
        .dims
        .get("batch")
        .and_then(|dim| dim.other)
        .filter(|_| !fixed);
    let sizes = [Some(batch), other].into_iter().flatten();
    Literal::List(
        sizes
            .map(|size| Literal::Source(size.to_string()))
            .collect(),
    )
    .after(0, "", "")
}

/// Whether a row of a batch must give alone what it gives among others: models of several modalities may compare
/// rows with each other, and the reference has shown of others that they do.
fn rows_are_independent(plan: &PortPlan, batch: u64) -> bool {
    let family = !matches!(plan.family, Family::Multimodal | Family::Component);
    let first_axis =
        |axis: Option<&Axis>| matches!(axis, Some(Axis::Named(name)) if name == "batch");
    let free = plan
        .dims
        .get("batch")
        .is_some_and(|dim| dim.other.is_some());
    family
        && free
        && !plan.mixes_rows
        && batch > 1
        && plan
            .inputs
            .iter()
            .all(|input| first_axis(input.shape.first()))
}
