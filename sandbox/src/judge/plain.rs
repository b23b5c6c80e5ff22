//! Whether two computations of the reference agree: the one that the backends are compared with, and one by a process
//! that holds nothing of this program. What the model's code makes of being watched would show here.

use std::collections::BTreeMap;

use portwright_core::Finding;

use super::{
    outputs::{Output, Outputs, difference, role, unequal},
    reference::finding,
};
use crate::tensor::TensorError;

/// What may lie between the two in proportion to the largest value: the same operations, perhaps in another order.
const RELATIVE: f64 = 1e-6;
/// What may lie between them whatever their size.
const ABSOLUTE: f64 = 1e-7;

/// Whether a plain process computes what the reference is. Both have the same sets.
pub fn agree(reference: &Outputs, plain: &Outputs) -> Result<(), Box<Finding>> {
    match apart(reference, plain) {
        None => Ok(()),
        Some((name, why)) => Err(finding(
            format!(
                "the reference differs from a plain process: output {}",
                role(&name)
            ),
            format!("in a process of plain Python and the library output `{name}` {why}"),
            "look for what the model's code asks of its surroundings: modules, variables, functions that others replace",
        )),
    }
}

/// Whether a model gives the same for the same inputs before and after it was called on others.
pub fn steady(first: &Outputs, again: &Outputs) -> Result<(), Box<Finding>> {
    apart(first, again).map_or(Ok(()), |(name, why)| {
        Err(unsteady(false, &format!("`{name}` {why}")))
    })
}

/// A model that gives something else for the same inputs: by chance, or by what it keeps of its calls.
pub fn unsteady(random: bool, outputs: &str) -> Box<Finding> {
    let (phrase, hint) = if random {
        (
            "the reference is random",
            "look for numbers that the model's code draws, or for the time that it reads",
        )
    } else {
        (
            "the reference keeps something between calls",
            "look for what the model's code keeps of a call, such as a count or a cache",
        )
    };
    let message =
        format!("called on the same inputs once more, the model gives something else: {outputs}");
    finding(phrase, message, hint)
}

/// The first output in which two computations differ, and how.
fn apart(one: &Outputs, other: &Outputs) -> Option<(String, String)> {
    if one.0.len() != other.0.len() {
        let why = format!(
            "was computed on {} sets and on {}",
            one.0.len(),
            other.0.len()
        );
        return Some(("*".to_owned(), why));
    }
    one.0.iter().zip(&other.0).find_map(|(one, other)| {
        let differing = one.iter().find_map(|(name, output)| {
            let why = match other.get(name) {
                None => Some("is absent".to_owned()),
                Some(found) => {
                    differs(output, found).unwrap_or_else(|error| Some(error.to_string()))
                }
            };
            Some((name.clone(), why?))
        });
        let more = || {
            let name = other.keys().find(|name| !one.contains_key(*name))?;
            Some((name.clone(), "is there in one of both alone".to_owned()))
        };
        differing.or_else(more)
    })
}

/// How two outputs differ beyond what is allowed; nothing where they do not.
fn differs(one: &Output, other: &Output) -> Result<Option<String>, TensorError> {
    if one.shape != other.shape || one.element != other.element {
        return Ok(Some("has another shape or type".to_owned()));
    }
    if !one.element.is_floating() {
        let count = unequal(one, other, None)?.apart;
        return Ok((count > 0).then(|| format!("has {count} other values")));
    }
    let largest = Outputs(vec![BTreeMap::from([(String::new(), one.clone())])]).largest("")?;
    // A filler is no measure of what lies beside it.
    let largest = if largest < 1e30 { largest } else { 1.0 };
    let found = difference(one, other)?;
    let allowed = ABSOLUTE + RELATIVE * largest;
    Ok((found > allowed).then(|| format!("differs by {found:.3e}, and {allowed:.3e} is allowed")))
}

#[cfg(test)]
mod tests {
    use super::{super::toy, *};
    use crate::tensor::{Data, ElementType, Tensor, Tensors};

    fn outputs(values: &[f64]) -> Outputs {
        let values = toy::floats(&[values.len()], values.to_vec());
        vec![Tensors::from([("layers.0.x".to_owned(), values)])].into()
    }

    fn said(one: &[f64], other: &[f64]) -> String {
        match agree(&outputs(one), &outputs(other)) {
            Ok(()) => String::new(),
            Err(finding) => finding.signature.to_string(),
        }
    }

    #[test]
    fn a_set_that_was_not_computed_is_no_agreement() {
        let nothing = Outputs(Vec::new());
        assert!(agree(&outputs(&[1.0]), &nothing).is_err());
        assert!(steady(&outputs(&[1.0]), &nothing).is_err());
    }

    #[test]
    fn what_differs_by_more_than_rounding_is_named_by_its_role() {
        assert_eq!(said(&[1.0, 2.0], &[1.0, 2.0 + 1e-6]), "");
        let apart = "the reference differs from a plain process: output layers.x";
        assert_eq!(said(&[1.0, 2.0], &[1.0, 2.0 + 1e-5]), apart);
        assert_eq!(said(&[1.0, 2.0], &[1.0]), apart);
        assert_eq!(said(&[1.0], &[f64::NAN]), apart);
    }

    #[test]
    fn a_filler_hides_no_difference_beside_it() {
        let least = f64::from(f32::MIN);
        assert_eq!(said(&[1.0, least], &[1.0, least]), "");
        assert_ne!(said(&[1.0, least], &[1.1, least]), "");
    }

    #[test]
    fn whole_values_are_the_same_and_no_output_is_more() {
        let whole = |values: &[i64]| Tensor {
            element: ElementType::Int64,
            shape: vec![values.len()],
            data: Data::Whole(values.to_vec()),
        };
        let one: Outputs = vec![Tensors::from([("ids".to_owned(), whole(&[1, 2]))])].into();
        let other: Outputs = vec![Tensors::from([("ids".to_owned(), whole(&[1, 3]))])].into();
        assert!(agree(&one, &one).is_ok());
        assert!(agree(&one, &other).is_err());
        let none: Outputs = vec![Tensors::new()].into();
        assert!(agree(&one, &none).is_err() && agree(&none, &one).is_err());
    }

    #[test]
    fn a_model_that_keeps_something_is_told_as_such() {
        let finding = steady(&outputs(&[1.0]), &outputs(&[2.0])).unwrap_err();
        assert_eq!(
            finding.signature.to_string(),
            "the reference keeps something between calls"
        );
    }
}
