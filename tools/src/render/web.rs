//! What a skillset has for the web: a module that loads the artefact, a page that runs it, and what runs it for Python.

use minijinja::{Environment, Value, context};
use portwright_core::{
    Backend,
    backend::Runner,
    plan::{Axis, InputSpec, PortPlan, Values},
};
use portwright_sandbox::backends::SAFETENSORS;

use super::{Files, RenderError};

/// The component of the backends that run on the web's runtime.
const COMPONENT: &str = "web";

/// Whether a backend runs on the web's runtime.
pub fn is_web(backend: Backend) -> bool {
    backend.spec().component.as_deref() == Some(COMPONENT)
}

/// Whether a backend of the web's runtime runs in Node.
pub fn is_node(backend: Backend) -> bool {
    backend.spec().runner == Runner::Node
}

/// What the web's files say of the backends of a plan: what a browser can run the model on, as the runtime calls it, and the
/// build of the runtime that has it all.
pub fn places(backends: &[Backend]) -> Value {
    let places: Vec<&str> = (backends.iter().filter(|backend| is_web(**backend)))
        .map(|backend| backend.as_str())
        .collect();
    let browser = backends
        .iter()
        .any(|it| it.spec().runner == Runner::Browser);
    let build = if browser { "webgpu" } else { "wasm" };
    context! {
        places,
        bundle => format!("ort.{build}.bundle.min.mjs"),
        in_node => backends.iter().any(|backend| is_node(*backend)),
    }
}

/// The files below `web/`, rendered with the context of the module.
pub fn render(environment: &Environment<'_>, context: &Value) -> Result<Files, RenderError> {
    let mut files = Files::new();
    let in_node = context.get_attr("web")?.get_attr("in_node")?.is_true();
    let node: &[&str] = if in_node { &["run.mjs"] } else { &[] };
    for name in ["index.html", "model.mjs", "package.json"]
        .iter()
        .chain(node)
    {
        let template = environment.get_template(&format!("web/{name}.j2"))?;
        files.insert(format!("web/{name}"), template.render(context)? + "\n");
    }
    if in_node {
        files.insert("web/safetensors.mjs".into(), SAFETENSORS.to_owned());
    }
    Ok(files)
}

/// The inputs as the module's table has them.
pub fn inputs(plan: &PortPlan) -> Vec<Value> {
    let input = |input: &InputSpec| {
        let shape: Vec<String> = input.shape.iter().map(|it| size(plan, it)).collect();
        context! {
            name => input.name.as_str(),
            dtype => format!("{:?}", input.dtype).to_lowercase(),
            shape => shape.join(", "),
            draw => draw(&input.values),
        }
    };
    plan.inputs.iter().map(input).collect()
}

fn size(plan: &PortPlan, axis: &Axis) -> String {
    match (axis, axis.named()) {
        (Axis::Fixed(size), _) => size.to_string(),
        (_, Some((name, factor))) => {
            let example = plan.dims.get(name).map_or(1, |dim| dim.example);
            example.saturating_mul(factor).to_string()
        }
        (_, None) => "1".to_owned(),
    }
}

/// The function that gives the value at a place of the last axis; simple, and the same each time.
fn draw(values: &Values) -> String {
    match values {
        Values::Integer { low, high } => format!("whole({low}, {high})"),
        Values::Tokens { low, high, runs } => {
            let run = |run: &portwright_core::plan::Run| {
                format!("[{}, {}, {}]", run.id, run.at, run.count)
            };
            let runs: Vec<String> = runs.iter().map(run).collect();
            format!("tokens({low}, {high}, [{}])", runs.join(", "))
        }
        Values::Normal { mean, std } => format!("real({:?}, {:?})", mean - std, mean + std),
        Values::Uniform { low, high } => format!("real({low:?}, {high:?})"),
        Values::Listed { values } => {
            let values: Vec<String> = values.iter().map(i64::to_string).collect();
            format!("listed([{}])", values.join(", "))
        }
        Values::Mask => "() => 1".to_owned(),
        Values::Range => "(at, length) => at % length".to_owned(),
        Values::Constant { value } => format!("() => {value:?}"),
    }
}
