//! The tools that a model may call. There is no shell, and none of them writes anything.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change::{self, Change, Refused};
use crate::protocol::Tool;

/// The most changes of one proposal.
const CHANGES: usize = 4;

/// A call, read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "tool",
    content = "arguments",
    rename_all = "snake_case",
    deny_unknown_fields
)]
pub enum Call {
    Propose {
        hypothesis: String,
        changes: Vec<Change>,
    },
    GiveUp {
        reason: String,
    },
    ReadSource {
        file: String,
        line: u32,
    },
    SearchSymbol {
        name: String,
    },
    SearchKnowledge {
        question: String,
    },
    ShowFinding {},
    ShowPlan {},
}

impl Call {
    /// Reads a call; the error says what is wrong in words for the model.
    pub fn read(tool: &str, arguments: &Value) -> Result<Self, Refused> {
        let call: Self = serde_json::from_value(json!({ "tool": tool, "arguments": arguments }))
            .map_err(|error| Refused(format!("the arguments of `{tool}` do not fit: {error}")))?;
        match &call {
            Call::Propose { changes, .. } if changes.len() > CHANGES => Err(Refused(format!(
                "a proposal has at most {CHANGES} changes, and this one has {}",
                changes.len()
            ))),
            _ => Ok(call),
        }
    }
}

/// The tools: those that decide, and with `looks` those that show.
pub fn tools(looks: bool) -> Vec<Tool> {
    let tool = |name: &str, description: &str, properties: Value| {
        let required: Vec<&String> = properties
            .as_object()
            .into_iter()
            .flat_map(|p| p.keys())
            .collect();
        Tool {
            name: name.to_owned(),
            description: description.to_owned(),
            schema: json!({
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            }),
        }
    };
    let text = |description: &str| json!({ "type": "string", "description": description });
    let mut tools = vec![
        tool(
            "propose",
            "Propose changes of the plan. It is built and judged with them.",
            json!({
                "hypothesis": text("The cause of the failure and why the changes cure it, in one or two sentences."),
                "changes": { "type": "array", "minItems": 1, "maxItems": CHANGES, "items": change::schema() },
            }),
        ),
        tool(
            "give_up",
            "Say that no change of the plan can help, and why.",
            json!({ "reason": text("Why nothing would help.") }),
        ),
    ];
    if looks {
        tools.extend([
            tool(
                "read_source",
                "Read the library's source around a line.",
                json!({
                    "file": text("A path below the library, e.g. models/bert/modeling_bert.py, or a file of the traceback."),
                    "line": { "type": "integer", "minimum": 1 },
                }),
            ),
            tool(
                "search_symbol",
                "Read the definition of a class, a function or a method among the files of the model.",
                json!({ "name": text("E.g. BertModel, or BertModel.forward.") }),
            ),
            tool(
                "search_knowledge",
                "Search the library's source, its exporters' patches, the operators of ONNX and OpenVINO, and documentation.",
                json!({ "question": text("An error message, names, or plain words.") }),
            ),
            tool("show_finding", "Show the latest failure once more.", json!({})),
            tool("show_plan", "Show the plan that fails once more.", json!({})),
        ]);
    }
    tools
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tool_takes_more_than_its_schema_names() {
        let tools = tools(true);
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "propose",
                "give_up",
                "read_source",
                "search_symbol",
                "search_knowledge",
                "show_finding",
                "show_plan"
            ]
        );
        for tool in &tools {
            assert_eq!(tool.schema["additionalProperties"], false, "{}", tool.name);
            let fields = tool.schema["properties"].as_object().unwrap().len();
            let required = tool.schema["required"].as_array().unwrap().len();
            assert_eq!(fields, required, "{}", tool.name);
        }
    }

    #[test]
    fn a_small_model_has_nothing_to_look_around_with() {
        let names: Vec<String> = tools(false).into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["propose", "give_up"]);
    }

    #[test]
    fn arguments_that_do_not_fit_are_told_so() {
        for (tool, arguments) in [
            ("propose", json!({ "hypothesis": "x" })),
            (
                "propose",
                json!({ "hypothesis": "x", "changes": [{ "change": "tolerance", "value": 1 }] }),
            ),
            (
                "propose",
                json!({ "hypothesis": "x", "changes": [], "seed": 1 }),
            ),
            ("read_source", json!({ "file": "x", "line": -1 })),
            ("shell", json!({})),
        ] {
            assert!(Call::read(tool, &arguments).is_err(), "{tool} {arguments}");
        }
        assert!(Call::read("show_plan", &json!({})).is_ok());
        let change = json!({ "change": "opset", "version": 18 });
        let many = json!({ "hypothesis": "x", "changes": vec![change; CHANGES + 1] });
        assert!(
            Call::read("propose", &many)
                .unwrap_err()
                .0
                .contains("at most")
        );
    }
}
