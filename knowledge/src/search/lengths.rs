//! The size of one axis of an input, which an error sets against the one that it needs.

use portwright_core::{
    Finding, PortPlan,
    plan::{Axis, Dim, InputSpec},
};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};

/// The width that the first layer wants, where the error says which width it was given: the last axis of an input.
pub fn width(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    const PRODUCT: &str = "shapes cannot be multiplied (";
    const MATCH: &str = "size of tensor a (";
    const BATCHES: &str = "dimensions of batch2 tensor to be: [";
    let said = text::said(finding);
    let after = |words: &str| said.split_once(words).map(|(_, rest)| text::numbers(rest));
    let (is, should) = match (
        after(PRODUCT).as_deref(),
        after(MATCH).as_deref(),
        after(BATCHES).as_deref(),
    ) {
        (Some([_, is, should, ..]), _, _)
        | (None, Some([is, should, ..]), _)
        | (None, None, Some([_, is, _, should, ..])) => (*is, *should),
        _ => return None,
    };
    // A sum has no order: either of its two may be the input.
    let sum = after(PRODUCT).is_none() && after(MATCH).is_some();
    // Nothing else than this axis can be meant where it alone has the size.
    let ends = |input: &&InputSpec| input.shape.last() == Some(&Axis::Fixed(is));
    let sure = plan.inputs.iter().filter(ends).count() == 1;
    let axis = if sure { STATED } else { "sizes" };
    last_axis(plan, finding, is, should, axis).or_else(|| {
        sum.then(|| last_axis(plan, finding, should, is, "sizes"))
            .flatten()
            .or_else(|| shorter(plan, finding, is, should, &said))
    })
}

/// Only the example's length, where the error counts an index that no more than the other length reaches: a list of
/// modules, one for each place, ends there.
pub fn within(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("index ")?;
    let index = *text::numbers(after).first()?;
    if !after.contains("is out of range") {
        return None;
    }
    let mut next = plan.clone();
    for dim in next.dims.values_mut() {
        if dim.example <= index + 1 && dim.other.is_some_and(|other| other > index) {
            dim.other = None;
        }
    }
    let reason = format!("index {index} is reached by the other length alone");
    let provenance = searched("dims", finding, reason);
    (next != *plan).then(|| Candidate::setting(next, "dims", provenance))
}

/// Another length of an axis that may have any, where the error sets that length against the one it needs: a table of
/// positions is as long as the input has to be.
pub fn length(plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("size of tensor a (")?;
    let [is, should, ..] = text::numbers(after)[..] else {
        return None;
    };
    let mut next = plan.clone();
    let (name, dim) = next
        .dims
        .iter_mut()
        .find(|(name, dim)| dim.example == is && *name != "batch")?;
    *dim = Dim {
        example: should,
        other: None,
    };
    let reason = format!("`{name}` is {is} long and has to be {should}");
    let key = format!("dims.{name}");
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The length that something has room for, such as a table of positions, along the axis that the error counts.
fn shorter(
    plan: &PortPlan,
    finding: &Finding,
    is: u64,
    should: u64,
    said: &str,
) -> Option<Candidate> {
    let (_, after) = said.split_once("at non-singleton dimension ")?;
    let place = usize::try_from(*text::numbers(after).first()?).ok()?;
    let input = plan.inputs.iter().find(|input| input.dtype.is_float())?;
    let (name, _) = input.shape.get(place)?.named()?;
    let mut next = plan.clone();
    let dim = next.dims.get_mut(name)?;
    if dim.example != is || should >= is || should < 2 {
        return None;
    }
    *dim = Dim {
        example: should,
        other: None,
    };
    let reason = format!("there is room for {should} of {is} along axis {place}");
    let provenance = searched("sizes", finding, reason);
    Some(Candidate::setting(
        next,
        &format!("dims.{name}"),
        provenance,
    ))
}

/// The last axis of the first real-valued input that ends with the number takes the other, where other axes hold the
/// same by chance.
pub fn last_axis(
    plan: &PortPlan,
    finding: &Finding,
    is: u64,
    should: u64,
    axis: &str,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let input = next
        .inputs
        .iter_mut()
        .filter(|input| input.dtype.is_float())
        .find(|input| input.shape.last() == Some(&Axis::Fixed(is)))?;
    let name = input.name.clone();
    *input.shape.last_mut()? = Axis::Fixed(should);
    // An error that counts this very axis leaves little to guess.
    let place = input.shape.len() - 1;
    let counted = text::said(finding).contains(&format!("at non-singleton dimension {place}"));
    let axis = if counted { STATED } else { axis };
    let reason = format!("the error sets {is} against {should}, the last axis of `{name}`");
    let key = format!("inputs.{name}.shape");
    Some(Candidate::setting(
        next,
        &key,
        searched(axis, finding, reason),
    ))
}

/// One axis after the other takes the number, where several of one input hold it: only one of them may be meant.
pub fn one_axis(plan: &PortPlan, finding: &Finding, is: u64, should: u64) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (place, input) in plan.inputs.iter().enumerate() {
        let holders: Vec<usize> = (0..input.shape.len())
            .filter(|axis| input.shape[*axis] == Axis::Fixed(is))
            .collect();
        if holders.len() < 2 || found.len() > 2 {
            continue;
        }
        for axis in holders {
            let mut next = plan.clone();
            next.inputs[place].shape[axis] = Axis::Fixed(should);
            let reason = format!(
                "the error sets {is} against {should}, which may be axis {axis} of `{}`",
                input.name
            );
            let key = format!("inputs.{}.shape", input.name);
            let provenance = searched("sizes", finding, reason);
            found.push(Candidate::setting(next, &key, provenance));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::fixtures;

    fn plan() -> PortPlan {
        fixtures::features()
    }

    fn finding(message: &str) -> Finding {
        fixtures::finding(portwright_core::Stage::Forward, message)
    }

    #[test]
    fn a_sum_of_two_sizes_may_have_the_input_on_either_side() {
        let sum = |a: u64, b: u64, at: u64| {
            finding(&format!(
                "The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton dimension {at}"
            ))
        };
        for (a, b) in [(128, 64), (64, 128)] {
            let found = width(&plan(), &sum(a, b, 2)).unwrap();
            assert_eq!(found.plan.inputs[0].shape[2], Axis::Fixed(64));
        }
        let found = width(&plan(), &sum(64, 63, 1)).unwrap();
        assert_eq!(found.plan.dims["frames"].example, 63);
        assert!(width(&plan(), &sum(40, 39, 1)).is_none());
    }

    #[test]
    fn a_length_that_no_module_is_there_for_is_left_out() {
        let found = within(&plan(), &finding("IndexError: index 64 is out of range")).unwrap();
        assert_eq!(found.plan.dims["frames"].other, None);
        assert_eq!(found.plan.dims["batch"].other, Some(3));
        assert!(within(&plan(), &finding("IndexError: index 99 is out of range")).is_none());
    }
}
