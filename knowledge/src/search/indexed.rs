//! Inputs that index a table: what was drawn as real numbers are codes.

use portwright_core::{
    Finding, InterfaceCard, PortPlan,
    plan::{Dtype, InputSpec, Values},
};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::{get, join, nodes};

/// What torch says of real numbers that are to index a table.
const NO_INDEX: &str = "argument #1 'indices' to have one of the following scalar types: Long";

/// Fields that say how many entries a table has.
const ENTRIES: [&str; 4] = ["codebook_size", "num_embeddings", "num_codes", "vocab_size"];

/// Every table that is looked up has this many.
const FEWEST: i64 = 2;

/// The plan whose input is whole numbers below the number of entries of the smallest table, where a line of the traceback
/// names it.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains(NO_INDEX) {
        return None;
    }
    // Between the input and the table there may be a stack of codebooks, so the whole traceback is read, innermost first.
    let mut frames = finding.error.as_ref()?.frames.iter().rev();
    let place = frames.find_map(|frame| {
        let named =
            |input: &InputSpec| input.dtype.is_float() && text::names(&frame.code, &input.name);
        plan.inputs.iter().position(named)
    })?;
    let mut next = plan.clone();
    let indexing = &mut next.inputs[place];
    indexing.dtype = Dtype::Int64;
    indexing.values = Values::Integer {
        low: 0,
        high: entries(card, plan),
    };
    let reason = format!("`{}` indexes a table", indexing.name);
    let key = format!("inputs.{}.dtype", indexing.name);
    Some(Candidate::setting(
        next,
        &key,
        searched(STATED, finding, reason),
    ))
}

/// The entries of the smallest table that the configuration sizes.
fn entries(card: &InterfaceCard, plan: &PortPlan) -> i64 {
    let mut found = Vec::new();
    for node in nodes(card) {
        for field in node.fields {
            let path = join(&node.path, &field.name);
            let value = get(&plan.config, &path).unwrap_or(&field.default);
            if ENTRIES.contains(&field.common.as_str()) {
                found.extend(value.as_i64());
            }
        }
    }
    found.into_iter().min().unwrap_or(FEWEST).max(FEWEST)
}

#[cfg(test)]
mod tests {
    use portwright_core::{Stage, job::Frame};
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    const SAID: &str = "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; \
                        but got torch.FloatTensor instead (while checking arguments for embedding)";

    fn plan() -> PortPlan {
        fixtures::prompt(
            "",
            r#"[[inputs]]
name = "codes"
dtype = "float32"
shape = ["batch", 4]
modality = "control"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        )
    }

    fn tried(said: &str, code: &str) -> Option<PortPlan> {
        let fields = json!([{ "name": "codebook_size", "default": 32 }]);
        let card = fixtures::card(json!({ "config_fields": fields }));
        let mut finding = fixtures::met(Stage::Forward, "RuntimeError", said, code);
        // The layers of a codec lie between the line and the table.
        if let Some(error) = &mut finding.error {
            error.frames.extend(vec![Frame::default(); 6]);
        }
        candidates(&card, &plan(), &finding).map(|found| found.plan)
    }

    #[test]
    fn what_indexes_a_table_is_whole_numbers_below_its_entries() {
        let next = tried(SAID, "quant = self.embedding(codes.flatten())").unwrap();
        let codes = next.input("codes").unwrap();
        assert_eq!(codes.dtype, Dtype::Int64);
        assert_eq!(codes.values, Values::Integer { low: 0, high: 32 });
    }

    #[test]
    fn a_line_that_names_no_input_changes_nothing() {
        assert_eq!(tried(SAID, "x = self.embedding(y)"), None);
        assert_eq!(tried("mat1 and mat2", "self.embedding(codes)"), None);
    }
}
