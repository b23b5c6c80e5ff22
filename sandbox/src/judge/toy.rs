//! A toy model for the judge's own tests: small enough to be wrong on purpose in every way.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portwright_core::plan::PortPlan;

use super::{
    inputs::{InputSet, draw},
    outputs::{FOLDER, Output, Outputs},
    reference::Reference,
    tolerances::Tolerances,
};
use crate::tensor::{self, Data, ElementType, Tensor, Tensors};

const PLAN: &str = r#"
schema = 2
model_type = "toy"
family = "encoder-only"
library_version = "5.20.2"
class = "ToyModel"
module = "toy"
config_class = "ToyConfig"
task = "base"
backends = ["torch-cpu"]
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 12 }

[[inputs]]
name = "x"
dtype = "float32"
shape = ["batch", "sequence"]
modality = "time-series"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "mask"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "mask" }
"#;

/// The toy's plan.
pub fn plan() -> PortPlan {
    PortPlan::from_toml(PLAN).unwrap()
}

/// The toy's input sets.
pub fn sets(dynamic: bool) -> Vec<InputSet> {
    draw(&plan(), dynamic, 11).unwrap()
}

/// What the right toy computes: `state = 2x·mask`, `total = sum(state)` of each row, and which states are above zero.
pub fn run(set: &InputSet) -> Tensors {
    let (x, mask) = (&set.tensors["x"], &set.tensors["mask"]);
    let (Data::Floating(values), Data::Whole(keep)) = (&x.data, &mask.data) else {
        panic!("the plan says otherwise");
    };
    let state: Vec<f64> = values
        .iter()
        .zip(keep)
        .map(|(value, keep)| 2.0 * value * *keep as f64)
        .collect();
    let total = state
        .chunks(x.shape[1])
        .map(|row| row.iter().sum())
        .collect();
    let above = state.iter().map(|value| i64::from(*value > 0.0)).collect();
    Tensors::from([
        ("state".to_owned(), floats(&x.shape, state)),
        ("total".to_owned(), floats(&x.shape[..1], total)),
        (
            "above".to_owned(),
            Tensor {
                element: ElementType::Bool,
                shape: x.shape.clone(),
                data: Data::Whole(above),
            },
        ),
    ])
}

pub fn floats(shape: &[usize], values: Vec<f64>) -> Tensor {
    Tensor {
        element: ElementType::Float32,
        shape: shape.to_vec(),
        data: Data::Floating(values),
    }
}

/// The outputs of a toy on every set.
pub fn outputs(sets: &[InputSet], toy: impl Fn(&InputSet) -> Tensors) -> Outputs {
    sets.iter().map(toy).collect::<Vec<_>>().into()
}

/// The right toy's outputs after `change` had its way with them.
pub fn changed(sets: &[InputSet], change: impl Fn(&InputSet, &mut Tensors)) -> Outputs {
    outputs(sets, |set| {
        let mut tensors = run(set);
        change(set, &mut tensors);
        tensors
    })
}

/// Changes every floating value of one output.
pub fn map(tensors: &mut Tensors, name: &str, change: impl Fn(f64) -> f64) {
    if let Some(Tensor {
        data: Data::Floating(values),
        ..
    }) = tensors.get_mut(name)
    {
        values.iter_mut().for_each(|value| *value = change(*value));
    }
}

pub fn reference(sets: &[InputSet]) -> Reference {
    Reference::check(outputs(sets, run), None, sets.to_vec(), &[]).unwrap()
}

pub fn tolerances() -> Tolerances {
    Tolerances::embedded().unwrap()
}

/// Outputs as a job leaves them in its work folder, opened.
pub fn opened(work: &Path, sets: &[InputSet], outputs: &[Tensors]) -> Outputs {
    fs::create_dir_all(work.join(FOLDER)).unwrap();
    for (set, tensors) in sets.iter().zip(outputs) {
        tensor::write(tensors, &file(work, set)).unwrap();
    }
    Outputs::open(work, sets).unwrap()
}

/// Cuts off half of the outputs of one set.
pub fn cut_short(work: &Path, set: &InputSet) {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(file(work, set))
        .unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length / 2).unwrap();
}

fn file(work: &Path, set: &InputSet) -> PathBuf {
    work.join(FOLDER).join(set.file_name())
}

/// All values of outputs.
pub fn values(outputs: &Outputs) -> Vec<Tensors> {
    let read = |output: &Output| {
        let mut tensor = Tensor {
            element: output.element,
            shape: output.shape.clone(),
            data: if output.element.is_floating() {
                Data::Floating(Vec::new())
            } else {
                Data::Whole(Vec::new())
            },
        };
        for stretch in output.stretches() {
            tensor.data.append(stretch.unwrap());
        }
        tensor
    };
    outputs
        .0
        .iter()
        .map(|set| set.iter().map(|(name, it)| (name.clone(), read(it))))
        .map(Iterator::collect)
        .collect()
}
