//! Prompts of the analyst: no plan was found whose eager reference is sound.

use serde::Serialize;

use crate::{Prompt, fixer};

/// The question. Standing instructions and the following turns are the fixer's.
#[derive(Clone, Debug, Serialize)]
pub struct Plan<'a> {
    #[serde(flatten)]
    pub repair: fixer::Repair<'a>,
}

impl Prompt for Plan<'_> {
    const NAME: &'static str = "analyst/plan.md";
    const TEMPLATE: &'static str = include_str!("../analyst/plan.md");
    const FORMAT: &'static str = fixer::Repair::FORMAT;
    const LIMIT: usize = fixer::Repair::LIMIT;
}

#[cfg(test)]
mod tests {
    use portwright_core::{Finding, Signature, Stage};

    use super::*;
    use crate::{
        fixer::{Excerpt, Tried},
        render,
    };

    #[test]
    fn the_question_after_no_sound_plan() {
        let finding = Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("RuntimeError: shapes cannot be multiplied @ forward"),
            message: "RuntimeError: mat1 and mat2 shapes cannot be multiplied (16x8 and 32x32)"
                .into(),
            error: None,
            hint: None,
        };
        let prompt = Plan {
            repair: fixer::Repair {
                model_type: "tiny",
                plan: "class = \"TinyModel\"\n",
                finding: &finding,
                traceback: "",
                fields: "hidden_size = 768\n",
                classes: &[],
                source: None::<&Excerpt>,
                needless: &["inputs.attention_mask".into()],
                needed: &["config.hidden_size".into()],
                tried: &[Tried {
                    change: "hidden_size = 16".into(),
                    outcome: "forward: the same error".into(),
                }],
            },
        };
        insta::assert_snapshot!(render(&prompt).unwrap());
    }
}
