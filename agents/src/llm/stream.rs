//! An answer as it comes in, piece by piece.

use serde::Deserialize;

use super::{LlmError, body::RawCall, budget::Usage, recording::Answer};

/// More than any answer that was asked for: an endpoint that goes on and on is cut off.
const LONGEST: usize = 200_000;

/// One event of the stream, with only what is used of it.
#[derive(Debug, Deserialize)]
pub struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Counted>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: usize,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Debug, Default, Deserialize)]
struct FunctionDelta {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Counted {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// What has come in so far.
#[derive(Debug, Default)]
pub struct Incoming {
    text: String,
    calls: Vec<RawCall>,
    finish: Option<String>,
    usage: Option<Counted>,
    pieces: u64,
}

impl Incoming {
    /// Takes a piece; answers with the pieces so far, about as many as tokens.
    pub fn take(&mut self, chunk: Chunk) -> Result<u64, LlmError> {
        for choice in chunk.choices.into_iter().take(1) {
            if let Some(text) = &choice.delta.content {
                self.text.push_str(text);
            }
            for call in choice.delta.tool_calls.into_iter().flatten() {
                // One call is asked for; what comes beside it is left.
                if call.index == 0 {
                    if self.calls.is_empty() {
                        self.calls.push(RawCall::default());
                    }
                    let known = &mut self.calls[0];
                    known
                        .name
                        .push_str(call.function.name.as_deref().unwrap_or_default());
                    known
                        .arguments
                        .push_str(call.function.arguments.as_deref().unwrap_or_default());
                }
            }
            if choice.finish_reason.is_some() {
                self.finish = choice.finish_reason;
            }
        }
        self.usage = chunk.usage.or(self.usage.take());
        self.pieces += 1;
        if self.length() > LONGEST {
            return Err(LlmError::Half {
                why: format!("it went on after {LONGEST} characters and was cut off"),
            });
        }
        Ok(self.pieces)
    }

    fn length(&self) -> usize {
        let calls = self.calls.first().map_or(0, |call| call.arguments.len());
        self.text.len() + calls
    }

    /// What was used so far; where the endpoint has not counted, estimated from the lengths of both sides.
    pub fn usage(&self, asked: u64) -> Usage {
        match &self.usage {
            Some(counted) => Usage {
                input: counted.prompt_tokens,
                output: counted.completion_tokens,
                estimated: false,
            },
            None => Usage {
                input: asked,
                output: super::budget::estimate(self.length()),
                estimated: true,
            },
        }
    }

    /// The whole answer. One without an end is half an answer, however well it reads.
    pub fn end(self, asked: u64) -> Result<Answer, LlmError> {
        let usage = self.usage(asked);
        let why = match self.finish.as_deref() {
            Some("length") => "the endpoint cut it off at the most tokens that an answer may have",
            Some(_) => {
                return Ok(Answer {
                    text: self.text,
                    calls: self.calls,
                    usage,
                });
            }
            None if self.pieces == 0 => {
                return Err(LlmError::Garbled {
                    why: "there is no event in the stream".to_owned(),
                });
            }
            None => "the stream ended without saying so",
        };
        Err(LlmError::Half {
            why: why.to_owned(),
        })
    }
}
