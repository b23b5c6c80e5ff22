//! What an agent asks a language model, and what it is answered: plain data, so that a question can be kept, compared
//! and answered from a recording.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message of a dialogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub enum Message {
    /// The standing instructions.
    System { text: String },
    /// What the agent says.
    User { text: String },
    /// The model called a tool.
    Call { tool: String, arguments: Value },
    /// What came of the call just before.
    Result { text: String },
    /// The model said something that was no call.
    Said { text: String },
}

/// A tool that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    pub name: String,
    pub description: String,
    /// The JSON schema of its arguments, an object.
    pub schema: Value,
}

/// A whole question: the dialogue so far and the tools, of which the answer calls one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// A tool of the question was called; the arguments are not checked yet.
    Called { tool: String, arguments: Value },
    /// The model answered something that is no call.
    Unusable { why: String, text: String },
    /// There is no answer and asking again would not help: the endpoint is gone, it refuses, a budget is spent.
    Unavailable { why: String },
}

/// What an agent wants to see of the library's source, or of what is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "lookup", rename_all = "kebab-case")]
pub enum Lookup {
    /// Lines around a line, counted from 1, of a file below the library's root or the model's own folder. A file that
    /// a traceback names may be named by its whole path.
    Span { file: String, line: u32 },
    /// The definition of a class or a function, or of `Class.method`, among the files of the model.
    Symbol { name: String },
    /// What answers a question best in the index of the knowledge.
    Knowledge { question: String },
}
