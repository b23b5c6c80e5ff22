//! Why a model gave no usable answer.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a model gave no usable answer. None of them holds the key, whatever the endpoint said.
#[derive(Debug, Error)]
pub enum LlmError {
    #[error("the model's endpoint {endpoint} cannot be reached: {why}")]
    Unreachable { endpoint: String, why: String },
    #[error("the model's endpoint refuses the request ({status}): {why}")]
    Refused { status: u16, why: String },
    #[error(
        "the model's endpoint is overloaded or broken ({status}), and stayed so when asked again: {why}"
    )]
    Broken { status: u16, why: String },
    #[error("the model's endpoint does not answer in the form of a chat completion: {why}")]
    Garbled { why: String },
    #[error("the model's answer ended before it was whole: {why}")]
    Half { why: String },
    #[error(
        "the model gave no whole answer within {seconds:.0} s, what is left of the time for it"
    )]
    TimedOut { seconds: f64 },
    #[error("the model's budget is spent: {what}")]
    Spent { what: String },
    #[error("the model answered something that is no call of a tool: {why}")]
    Unusable { why: String, text: String },
    #[error(
        "no recording answers this request: looked for {digest}.json in {} (model {model}, {messages} messages, the last beginning {last:?})", folder.display()
    )]
    NoRecording {
        digest: String,
        folder: PathBuf,
        model: String,
        messages: usize,
        last: String,
    },
    #[error("the recording {} cannot be used: {why}", path.display())]
    Recording { path: PathBuf, why: String },
    #[error("{}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the client for the model's endpoint cannot be made: {why}")]
    Client { why: String },
    #[error("`{url}` is no address of a model's endpoint: {why}")]
    Url { url: String, why: String },
    #[error("the table of prices {place} cannot be read: {why}")]
    Prices { place: String, why: String },
    #[error("a limit on money is set, and the price of the model `{model}` is not known")]
    NoPrice { model: String },
    #[error("the local model did not start: {why}")]
    Local { why: String },
}

impl LlmError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            LlmError::Unreachable { .. } => {
                "check the address given to --llm, and that the server runs; the run goes on without the model"
            }
            LlmError::Refused {
                status: 401 | 403, ..
            } => "check OPENAI_API_KEY",
            LlmError::Refused { .. } => {
                "check the model's name (--llm-model); an endpoint must take `response_format` with a JSON schema, or tools"
            }
            LlmError::Broken { .. } => "try again later, or use another endpoint",
            LlmError::Garbled { .. } => {
                "--llm takes the base of an OpenAI-compatible API, which most often ends with `/v1`"
            }
            LlmError::Half { .. } | LlmError::Unusable { .. } => {
                "another model may do better: --llm-model"
            }
            LlmError::TimedOut { .. } => "raise `llm.seconds`, or use a faster model",
            LlmError::Spent { .. } => {
                "raise `llm.tokens`, `llm.dollars` or `llm.seconds` in portwright.toml"
            }
            LlmError::NoRecording { .. } => {
                "the prompt, the plan or a version has changed since the recording: record again by asking a model"
            }
            LlmError::Recording { .. } => "delete the file, or record again by asking a model",
            LlmError::Folder { .. } => "check that the folder exists and that you may write to it",
            LlmError::Client { .. } => "this is a defect in Portwright: please report it",
            LlmError::Url { .. } => {
                "write it as http://HOST:PORT/v1 or https://HOST/v1, without a user or a key in it; the key goes into OPENAI_API_KEY"
            }
            LlmError::Prices { .. } => "docs/reference/llm.md shows the form of the table",
            LlmError::NoPrice { .. } => {
                "add the model to the table that `llm.prices` names, or set `llm.dollars` to 0"
            }
            LlmError::Local { .. } => {
                "look at the end of the server's log in the cache folder; `--llm off` works without a model"
            }
        }
    }
}
