//! Cached generation: a prefill and the decode steps after it, each given the cache that the one before it left.
//!
//! What a step is given beside its own inputs is what earlier steps returned, by name: the latest of each, since a
//! decode step returns nothing for what it does not change, such as the cache of an encoder's states.

use std::{collections::BTreeMap, path::Path, time::Instant};

use ort::{environment::Environment, session::Session};
use portwright_core::{
    Backend,
    job::{Cached, Execution},
    plan::step_name,
};

use super::{
    provider::device,
    sessions::{Loader, Sizes, counted},
    worker::{Failure, read_inputs, run, versions, write_outputs},
};
use crate::{backends::caged::Request, judge::generation::LOGITS, tensor::Tensors};

/// Runs every file of step inputs and measures the first.
pub fn generate(
    backend: Backend,
    request: &Request,
    environment: &Environment,
    artefact: &Cached,
    inputs: &[String],
    repeats: u32,
) -> Result<Execution, Failure> {
    let loader = |artefact| Loader::of(request, backend, environment, artefact);
    let any = Sizes::new();
    let (prefill, decode) = (loader(&artefact.prefill), loader(&artefact.decode));
    let sets = inputs
        .iter()
        .map(|path| Ok((Path::new(path), steps(read_inputs(Path::new(path))?))))
        .collect::<Result<Vec<_>, Failure>>()?;
    let Some((_, example)) = sets.first() else {
        return Err(Failure::new("execute", "RequestError", "no input set"));
    };
    // Sessions of their own: profiling would be in the measured times.
    let mut profiled = Chain {
        prefill: prefill.load(&any, Some(&request.work.join("profile-prefill")))?,
        decode: decode.load(&any, Some(&request.work.join("profile-decode")))?,
    };
    profiled.run(example)?;
    let mut placed = counted(&mut profiled.prefill, backend)?;
    placed.add(counted(&mut profiled.decode, backend)?);
    drop(profiled);

    let began = Instant::now();
    let mut chain = Chain {
        prefill: prefill.load(&any, None)?,
        decode: decode.load(&any, None)?,
    };
    let load_seconds = began.elapsed().as_secs_f64();
    let mut outputs = Vec::with_capacity(sets.len());
    for (path, steps) in &sets {
        outputs.push(write_outputs(&request.work, path, &chain.run(steps)?)?);
    }
    let mut latency_seconds = Vec::new();
    for _ in 0..repeats {
        let began = Instant::now();
        chain.run(example)?;
        latency_seconds.push(began.elapsed().as_secs_f64());
    }
    Ok(Execution {
        device: device(&backend.spec().provider).to_owned(),
        nodes: placed.nodes,
        elsewhere: placed.elsewhere,
        versions: versions(request, backend),
        load_seconds,
        latency_seconds,
        reload_resident_bytes: Vec::new(),
        outputs,
        refused: BTreeMap::new(),
    })
}

struct Chain {
    prefill: Session,
    decode: Session,
}

impl Chain {
    /// The logits of every step.
    fn run(&mut self, steps: &[Tensors]) -> Result<Tensors, Failure> {
        let mut logits = Tensors::new();
        let mut left = Tensors::new();
        for (index, own) in steps.iter().enumerate() {
            let session = if index == 0 {
                &mut self.prefill
            } else {
                &mut self.decode
            };
            let mut given = left.clone();
            given.extend(own.clone());
            for (name, tensor) in run(session, &given)? {
                let name = name.strip_prefix("output.").unwrap_or(&name).to_owned();
                if name == LOGITS {
                    logits.insert(format!("{}.{LOGITS}", step_name(index)), tensor);
                } else {
                    left.insert(name, tensor);
                }
            }
        }
        Ok(logits)
    }
}

/// A file's tensors by step: `decode.0.input_ids` is the `input_ids` of the step after the prefill.
fn steps(tensors: Tensors) -> Vec<Tensors> {
    let mut steps = Vec::new();
    loop {
        let prefix = format!("{}.", step_name(steps.len()));
        let step: Tensors = tensors
            .iter()
            .filter_map(|(name, tensor)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone()))
            })
            .collect();
        if step.is_empty() {
            return steps;
        }
        steps.push(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Data, ElementType, Tensor};

    #[test]
    fn a_files_tensors_fall_into_steps_in_order() {
        let one = Tensor {
            element: ElementType::Int64,
            shape: vec![1],
            data: Data::Whole(vec![1]),
        };
        let named = ["decode.1.a", "prefill.a", "prefill.b", "decode.0.a"];
        let steps = steps(
            named
                .iter()
                .map(|name| ((*name).to_owned(), one.clone()))
                .collect(),
        );
        let names: Vec<Vec<_>> = steps
            .iter()
            .map(|step| step.keys().map(String::as_str).collect())
            .collect();
        assert_eq!(names, [vec!["a", "b"], vec!["a"], vec!["a"]]);
    }
}
