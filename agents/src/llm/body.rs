//! A question as the body of a chat completion, and an answer as the call of a tool.
//!
//! There are two dialects. A model that knows tools is given them and asked to call one. A model that does not is asked
//! for one JSON object whose schema is a choice among the calls: a router.

use serde_json::{Map, Value, json};

use super::LlmError;
use crate::protocol::{Message, Question, Reply};

/// How a model is asked for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Tools,
    Router,
}

/// A call that a model made, before its arguments are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RawCall {
    pub name: String,
    /// JSON as the model wrote it.
    pub arguments: String,
}

/// The body of the request.
pub fn of(model: &str, dialect: Dialect, question: &Question, max_tokens: u64) -> Value {
    let mut body = json!({
        "model": model,
        "messages": messages(dialect, question),
        "max_tokens": max_tokens,
        "temperature": 0,
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    match dialect {
        Dialect::Tools => {
            let tools = question.tools.iter().map(|tool| {
                json!({ "type": "function", "function": {
                    "name": tool.name, "description": tool.description, "parameters": tool.schema,
                }})
            });
            body["tools"] = tools.collect();
            body["tool_choice"] = "required".into();
        }
        Dialect::Router => {
            let calls = question.tools.iter().map(|tool| {
                json!({
                    "type": "object",
                    "properties": {
                        "tool": { "const": tool.name, "description": tool.description },
                        "arguments": tool.schema,
                    },
                    "required": ["tool", "arguments"],
                    "additionalProperties": false,
                })
            });
            // The choice lies below the root, where the strict form of the API allows one.
            let schema = json!({
                "type": "object",
                "properties": { "call": { "anyOf": calls.collect::<Vec<_>>() } },
                "required": ["call"],
                "additionalProperties": false,
            });
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": { "name": "call", "strict": true, "schema": schema },
            });
        }
    }
    body
}

fn messages(dialect: Dialect, question: &Question) -> Value {
    let mut calls = 0;
    let id = |number: usize| format!("call-{number}");
    question
        .messages
        .iter()
        .map(|message| match (message, dialect) {
            // Many endpoints hold the answer to the schema and do not show it to the model.
            (Message::System { text }, Dialect::Router) => {
                json!({ "role": "system", "content": format!("{text}\n{}", described(question)) })
            }
            (Message::System { text }, Dialect::Tools) => {
                json!({ "role": "system", "content": text })
            }
            (Message::User { text }, _) => json!({ "role": "user", "content": text }),
            (Message::Said { text }, _) => json!({ "role": "assistant", "content": text }),
            (Message::Call { tool, arguments }, Dialect::Tools) => {
                calls += 1;
                let function = json!({ "name": tool, "arguments": arguments.to_string() });
                let call = json!({ "id": id(calls), "type": "function", "function": function });
                json!({ "role": "assistant", "tool_calls": [call] })
            }
            (Message::Result { text }, Dialect::Tools) => {
                json!({ "role": "tool", "tool_call_id": id(calls), "content": text })
            }
            (Message::Call { tool, arguments }, Dialect::Router) => {
                let call = json!({ "call": { "tool": tool, "arguments": arguments } });
                json!({ "role": "assistant", "content": call.to_string() })
            }
            (Message::Result { text }, Dialect::Router) => {
                json!({ "role": "user", "content": text })
            }
        })
        .collect()
}

/// The tools in words.
fn described(question: &Question) -> String {
    let mut text =
        "The answer is {\"call\": {\"tool\": …, \"arguments\": …}} with one of these tools:\n"
            .to_owned();
    for tool in &question.tools {
        let (name, description, shape) = (&tool.name, &tool.description, shape(&tool.schema));
        text.push_str(&format!("- {name}: {description} Its arguments: {shape}\n"));
    }
    text
}

/// A schema in the shorthand of `{"name": string, "sizes": [integer, …]}`, a choice as `a | b`.
fn shape(schema: &Value) -> String {
    let choices = |values: &[Value], show: &dyn Fn(&Value) -> String| {
        values.iter().map(show).collect::<Vec<_>>().join(" | ")
    };
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return choices(values, &|value| value.to_string());
    }
    if let Some(Value::Array(schemas)) = schema.get("anyOf") {
        return choices(schemas, &shape);
    }
    match (&schema["type"], &schema["properties"]) {
        (Value::String(kind), _) if kind == "array" => format!("[{}, …]", shape(&schema["items"])),
        (_, Value::Object(fields)) => {
            let fields = fields
                .iter()
                .map(|(name, field)| format!("\"{name}\": {}", shape(field)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        (Value::String(kind), _) => kind.clone(),
        _ => "any".to_owned(),
    }
}

/// The call in an answer, of a tool that the question has.
pub fn call(question: &Question, text: &str, calls: &[RawCall]) -> Result<Reply, LlmError> {
    let unusable = |why: String| LlmError::Unusable {
        why,
        text: text.to_owned(),
    };
    let (tool, arguments) = match calls.first() {
        Some(call) => {
            let arguments = serde_json::from_str(&call.arguments).map_err(|error| {
                unusable(format!(
                    "the arguments of `{}` are no JSON: {error}",
                    call.name
                ))
            })?;
            (call.name.clone(), arguments)
        }
        None => routed(text).map_err(unusable)?,
    };
    if !question.tools.iter().any(|known| known.name == tool) {
        let known: Vec<&str> = question.tools.iter().map(|t| t.name.as_str()).collect();
        return Err(unusable(format!(
            "there is no tool `{tool}`; there are {}",
            known.join(", ")
        )));
    }
    Ok(Reply::Called { tool, arguments })
}

/// A call that was written as text: what the router's schema asks for, alone or in a fenced block.
fn routed(text: &str) -> Result<(String, Value), String> {
    let text = unfenced(text);
    let mut answer: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!("the answer is not the JSON object that was asked for: {error}")
    })?;
    if let Some(Value::Object(call)) = answer.remove("call") {
        answer = call;
    }
    // Models that were taught to call tools write `name` where they answer in text.
    let tool = answer.remove("tool").or_else(|| answer.remove("name"));
    match (tool, answer.remove("arguments")) {
        (Some(Value::String(tool)), Some(arguments)) => Ok((tool, arguments)),
        _ => Err("the answer has no `tool` with `arguments`".to_owned()),
    }
}

fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```") else {
        return text;
    };
    let inner = inner.split_once('\n').map_or("", |(_, rest)| rest);
    inner.trim_end().trim_end_matches('`').trim()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Tool;

    fn question() -> Question {
        Question {
            messages: vec![
                Message::System {
                    text: "Rules.".into(),
                },
                Message::User {
                    text: "Question.".into(),
                },
                Message::Call {
                    tool: "look".into(),
                    arguments: json!({ "name": "x" }),
                },
                Message::Result {
                    text: "Seen.".into(),
                },
            ],
            tools: vec![Tool {
                name: "look".into(),
                description: "Look.".into(),
                schema: json!({ "type": "object", "properties": { "name": { "type": "string" } } }),
            }],
        }
    }

    #[test]
    fn a_model_with_tools_is_given_them() {
        insta::assert_json_snapshot!(of("m", Dialect::Tools, &question(), 100));
    }

    #[test]
    fn a_model_without_tools_is_asked_for_a_choice_by_schema() {
        insta::assert_json_snapshot!(of("m", Dialect::Router, &question(), 100));
    }

    #[test]
    fn a_schema_has_a_shorthand() {
        let schema = json!({ "type": "object", "properties": {
            "change": { "const": "size" },
            "of": { "enum": ["a", "b"] },
            "list": { "type": "array", "items": { "anyOf": [{ "type": "integer" }, { "type": "string" }] } },
        }});
        assert_eq!(
            shape(&schema),
            r#"{"change": "size", "of": "a" | "b", "list": [integer | string, …]}"#
        );
    }

    fn called(text: &str, calls: &[RawCall]) -> Result<Reply, String> {
        call(&question(), text, calls).map_err(|error| error.to_string())
    }

    #[test]
    fn a_call_is_read_in_each_form_that_models_write() {
        let expected = Ok(Reply::Called {
            tool: "look".into(),
            arguments: json!({ "name": "y" }),
        });
        let native = RawCall {
            name: "look".into(),
            arguments: "{\"name\":\"y\"}".into(),
        };
        assert_eq!(called("", &[native]), expected);
        for text in [
            "{\"call\":{\"tool\":\"look\",\"arguments\":{\"name\":\"y\"}}}",
            "{\"tool\":\"look\",\"arguments\":{\"name\":\"y\"}}",
            "```json\n{\"name\":\"look\",\"arguments\":{\"name\":\"y\"}}\n```",
        ] {
            assert_eq!(called(text, &[]), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_call_says_why() {
        assert!(called("I think so.", &[]).unwrap_err().contains("JSON"));
        assert!(
            called("{\"tool\":\"look\"}", &[])
                .unwrap_err()
                .contains("arguments")
        );
        let other = "{\"tool\":\"shell\",\"arguments\":{}}";
        assert!(called(other, &[]).unwrap_err().contains("no tool `shell`"));
        let cut = RawCall {
            name: "look".into(),
            arguments: "{\"na".into(),
        };
        assert!(called("", &[cut]).unwrap_err().contains("no JSON"));
    }

    proptest! {
        #[test]
        fn no_text_is_read_as_a_call_of_a_tool_that_is_not_there(text in "\\PC{0,120}") {
            if let Ok(Reply::Called { tool, .. }) = call(&question(), &text, &[]) {
                prop_assert_eq!(tool, "look");
            }
        }
    }
}
