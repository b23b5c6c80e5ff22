//! What the templates of the code are told.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Value, context};
use portwright_core::{
    Backend, Family, Format,
    plan::{AdaptationKind, Axis, Export, PortPlan, Strategy},
    text::is_word,
};
use portwright_sandbox::environment::Component;

use serde_json::{Map, Value as Json};

use super::{
    RenderError, classes, inputs, patches,
    python::{Literal, string, wrap},
    web,
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
    let titles = backends(plan)
        .into_iter()
        .map(|it| it.spec().title.as_str());
    let mut names: Vec<&str> = titles.collect();
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

/// The backends of the plan, PyTorch always among them and first.
pub fn backends(plan: &PortPlan) -> Vec<Backend> {
    let others = plan.backends.iter().copied();
    let others = others.filter(|backend| !backend.runs_module());
    [Backend::TORCH_CPU].into_iter().chain(others).collect()
}

/// The backend that examples are shown with: the last that needs nothing beside the Python environment.
pub fn shown(backends: impl DoubleEndedIterator<Item = Backend>) -> Backend {
    let plain = |backend: &Backend| backend.spec().component.is_none();
    backends.rev().find(plain).unwrap_or(Backend::TORCH_CPU)
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
    let mut made = plan.export.values();
    let converts = made.any(|export| export.strategy == Strategy::FromOnnx);
    // Its tests build an ONNX file once, where several backends start from one.
    let reads_onnx: Vec<Backend> = (backends.iter().copied())
        .filter(|backend| backend.reads() == Format::Onnx)
        .collect();
    let starts = |backend: &&Backend| {
        let way = plan.made_on_the_way_to(backend.reads());
        way.contains(&Format::Onnx)
    };
    let shares = !reads_onnx.is_empty() && backends.iter().filter(starts).count() > 1;
    let free: Vec<_> = plan
        .dims
        .iter()
        .filter_map(|(name, dim)| Some((name, dim.other?)))
        .collect();
    let export = |format: Format| {
        plan.export
            .get(&format)
            .map(|export| export_context(plan, export, !free.is_empty()))
    };
    let tables = plan
        .export
        .iter()
        .any(|(_, export)| holds_tables(plan, export));
    let uses = |strategy: &[Strategy], dynamic: bool| {
        let found = |export: &Export| {
            strategy.contains(&export.strategy) && (!dynamic || export.dynamic && !free.is_empty())
        };
        plan.export.iter().any(|(_, export)| found(export))
    };
    let dynamic_shapes = uses(&[Strategy::Transformers, Strategy::TorchDynamo], true);
    let dynamic_axes = uses(&[Strategy::TorchScript], true);
    // ONNX written through `torch.export` names the limit itself; the TorchScript exporter knows it.
    let large = plan.export.iter().any(|(format, export)| {
        export.strategy == Strategy::TorchDynamo
            || *format == Format::Onnx && export.strategy == Strategy::Transformers
    });
    let products = exported
        && plan
            .adaptations
            .iter()
            .any(|known| known.kind == AdaptationKind::AntialiasAsProduct);
    let spelled = is_spelled(plan);
    let in_node = backends.iter().any(|backend| web::is_node(*backend));
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
        shown_backend => shown(backends.iter().copied()).as_str(),
        backends => backends.iter().map(|backend| backend.as_str()).collect::<Vec<_>>(),
        local => is_local(plan),
        nested => config.values().any(serde_json::Value::is_object),
        exported,
        converts,
        shares,
        reads_onnx_literal => names_literal(&reads_onnx),
        test_imports => if shares { "INPUTS, Arrays, Skillset, backends, build, load" } else { "INPUTS, Arrays, Skillset, backends, load" },
        stdlib_imports => stdlib_imports(exported, tables || products || !plan.call.is_empty(), products, in_node),
        web => web::places(&backends),
        web_inputs => web::inputs(plan),
        web_version => Component::named("web").map(|web| web.version),
        needs_more => backends.iter().any(|backend| backend.spec().component.is_some()),
        absent_literal => functions("_ABSENT = ", &backends, |backend| {
            let component = backend.spec().component.as_ref();
            component.map(|_| format!("_absent_{}", identifier(backend)))
        }),
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
        decomposed => is_decomposed(plan),
        onnx => export(Format::Onnx),
        openvino_ir => export(Format::OpenvinoIr),
        runners => backends.iter().filter(|it| !it.runs_module()).map(|it| identifier(*it)).collect::<Vec<_>>(),
        builders_literal => functions("_BUILDERS = ", &backends, |backend| Some(exporter(backend.reads())?.to_owned())),
        converters_literal => functions("_CONVERTERS = ", &backends, |backend| {
            let made = plan.export_for(backend).is_some_and(|export| export.strategy == Strategy::FromOnnx);
            made.then(|| "_convert_onnx".to_owned())
        }),
        runners_literal => functions("_RUNNERS = ", &backends, |backend| (!backend.runs_module()).then(|| format!("_run_{}", identifier(backend)))),
        backends_literal => names_literal(&backends),
        batches_literal => batches_literal(plan, batch),
        moved => !random.is_empty(),
        moved_literal => Literal::List(random.iter().map(|input| Literal::text(&input.name)).collect()).after(0, "MOVED = ", ""),
        rows => rows_are_independent(plan, batch),
        row_batch => batch,
        causal => matches!(plan.task.as_str(), "causal-lm" | "seq2seq-lm") && token_low.is_some(),
        token_low => token_low.unwrap_or(0),
    })
}

/// Whether an ONNX file is made through `torch.export`: its program is then decomposed where that is needed.
pub fn is_decomposed(plan: &PortPlan) -> bool {
    let mut made = plan.export.iter();
    made.any(|(format, export)| match export.strategy {
        Strategy::Transformers => *format == Format::Onnx,
        Strategy::TorchDynamo => true,
        Strategy::TorchScript | Strategy::FromOnnx => false,
    })
}

/// Whether the TorchScript tracer makes an artefact: it is then met with stand-ins for what its exporter cannot write.
pub fn is_spelled(plan: &PortPlan) -> bool {
    let mut made = plan.export.values();
    made.any(|export| export.strategy == Strategy::TorchScript)
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

fn stdlib_imports(
    exported: bool,
    functools: bool,
    iterator: bool,
    in_node: bool,
) -> Vec<&'static str> {
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
    if in_node {
        lines.extend(["import json", "import shutil", "import subprocess"]);
    }
    if exported {
        lines.extend(["import sys", "import tempfile"]);
    }
    if in_node {
        lines.push("import weakref");
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
    let own = backend.spec().packages.iter().map(String::as_str);
    // Who writes an ONNX file, where one is written on the way, or rewrites it; the tracer alone needs no package for that.
    let scripts = |format: Format| {
        plan.export
            .get(&format)
            .is_some_and(|export| match export.strategy {
                Strategy::TorchDynamo => true,
                Strategy::Transformers => format == Format::Onnx,
                Strategy::TorchScript | Strategy::FromOnnx => !export.rewrites.is_empty(),
            })
    };
    let way = plan.made_on_the_way_to(backend.reads());
    let onnxscript = way.into_iter().any(scripts).then_some("onnxscript");
    own.chain(onnxscript).collect()
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
        // As the functions and the files of the templates are named.
        rewrites => export.rewrites.iter().map(|it| it.as_str().replace('-', "_")).collect::<Vec<_>>(),
        attention => export.attention.as_str(),
        level,
        web_level => export.runtime_optimization.as_deref().map(|level| if level == "disable" { "disabled" } else { level }),
    }
}

/// A table of functions by the name of a backend, for those that have one.
fn functions(
    prefix: &str,
    backends: &[Backend],
    name: impl Fn(Backend) -> Option<String>,
) -> String {
    let items = backends.iter().filter_map(|backend| {
        let function = Literal::Source(name(*backend)?);
        Some((string(backend.as_str()), function))
    });
    Literal::Dict(items.collect()).after(0, prefix, "")
}

/// The function of a skillset that makes an artefact of a format.
fn exporter(format: Format) -> Option<&'static str> {
    match format {
        Format::Module => None,
        Format::Onnx => Some("_export_onnx"),
        Format::OpenvinoIr => Some("_export_openvino"),
    }
}

/// A backend's name as a part of the name of a function, and of the template that holds it.
fn identifier(backend: Backend) -> String {
    backend.as_str().replace('-', "_")
}

fn names_literal(backends: &[Backend]) -> String {
    let names = backends.iter().map(|it| Literal::text(it.as_str()));
    Literal::List(names.collect()).after(0, "", "")
}

/// The batch sizes that every backend of the plan takes.
fn batches_literal(plan: &PortPlan, batch: u64) -> String {
    let fixed = plan.export.iter().any(|(_, export)| !export.dynamic);
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
