//! The client of a language model: any OpenAI-compatible endpoint, the local model, or recordings.
//!
//! [`Model::ask`] takes a question and answers with the call of a tool, within the budget of a [`Meter`]. Types of the
//! client library stay in this folder. Failures are typed, and none of them ends a run: the driver tells the agent that
//! the model is not available, and the run goes on without it.

mod body;
mod budget;
mod endpoint;
mod error;
pub mod local;
mod recording;
mod stream;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use async_openai::error::OpenAIError;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::protocol::{Question, Reply};

use body::Dialect;
use stream::{Chunk, Incoming};

pub use budget::{Budget, Meter, Price, Spent, Usage, prices};
pub use endpoint::{Endpoint, Key};
pub use error::LlmError;
pub use recording::{Answer, Recordings};

/// The most tokens of one answer.
const ANSWER: u64 = 1024;

/// What of a model is part of a run's identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consult {
    /// The model's name, as the endpoint knows it.
    pub model: String,
    /// Where it is asked: the address, `local`, or `recordings`.
    pub at: String,
    /// Whether it is offered tools to look around with. A small model is not: it is given what there is at once.
    pub looks: bool,
    pub budget: Budget,
}

/// Where answers come from.
enum Source {
    Endpoint(Endpoint),
    /// Started by the first question.
    Local {
        files: local::Files,
        server: Box<OnceCell<local::Server>>,
    },
    Recordings(Recordings),
}

/// A model that can be asked.
pub struct Model {
    consult: Consult,
    source: Source,
    price: Option<Price>,
    /// Where every exchange is kept; what comes from recordings is not kept again.
    record: Option<Recordings>,
    /// The endpoint takes no tools: it is asked for a choice by schema from then on.
    routed: AtomicBool,
}

/// How far an answer has come, for people who wait for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Coming<'a> {
    pub model: &'a str,
    /// Pieces of the answer so far, about as many as tokens.
    pub pieces: u64,
    pub seconds: f64,
    /// What the launch has spent before this question.
    pub spent: Spent,
    pub budget: Budget,
}

/// An answer with what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub reply: Reply,
    pub usage: Usage,
    pub seconds: f64,
}

impl Model {
    /// A model behind an endpoint.
    pub fn at(
        endpoint: Endpoint,
        consult: Consult,
        price: Option<Price>,
        record: Recordings,
    ) -> Result<Self, LlmError> {
        Self::new(Source::Endpoint(endpoint), consult, price, Some(record))
    }

    /// The local model, which is started by the first question and stopped when this is dropped.
    pub fn local(
        files: local::Files,
        consult: Consult,
        price: Option<Price>,
        record: Recordings,
    ) -> Result<Self, LlmError> {
        let server = Box::default();
        Self::new(
            Source::Local { files, server },
            consult,
            price,
            Some(record),
        )
    }

    /// Recordings, and nothing else.
    pub fn recorded(
        recordings: Recordings,
        consult: Consult,
        price: Option<Price>,
    ) -> Result<Self, LlmError> {
        Self::new(Source::Recordings(recordings), consult, price, None)
    }

    fn new(
        source: Source,
        consult: Consult,
        price: Option<Price>,
        record: Option<Recordings>,
    ) -> Result<Self, LlmError> {
        if consult.budget.dollars > 0.0 && price.is_none() {
            return Err(LlmError::NoPrice {
                model: consult.model,
            });
        }
        // A small model that is not offered tools to look around with does not know how to call them either.
        let routed = AtomicBool::new(!consult.looks);
        Ok(Self {
            consult,
            source,
            price,
            record,
            routed,
        })
    }

    pub fn consult(&self) -> &Consult {
        &self.consult
    }

    /// `None` where it is not known.
    pub fn price(&self) -> Option<Price> {
        self.price
    }

    /// Counts what one launch spends.
    pub fn meter(&self) -> Meter {
        Meter::new(self.consult.budget, self.price)
    }

    /// Asks, and tells of the answer while it comes in.
    pub async fn ask(
        &self,
        meter: &Meter,
        question: &Question,
        coming: &dyn Fn(&Coming<'_>),
    ) -> Result<Told, LlmError> {
        let dialect = self.dialect();
        let asked = self.exchange(meter, dialect, question, coming).await;
        let (answer, seconds) = match (asked, dialect) {
            // It may be the tools that it refuses: once more without them.
            (
                Err(LlmError::Refused {
                    status: 400 | 404 | 422 | 501,
                    ..
                }),
                Dialect::Tools,
            ) => {
                self.routed.store(true, Ordering::Relaxed);
                self.exchange(meter, Dialect::Router, question, coming)
                    .await?
            }
            (asked, _) => asked?,
        };
        match body::call(question, &answer.text, &answer.calls) {
            Ok(reply) => Ok(Told {
                reply,
                usage: answer.usage,
                seconds,
            }),
            Err(error) => {
                if answer.calls.is_empty() {
                    self.routed.store(true, Ordering::Relaxed);
                }
                Err(error)
            }
        }
    }

    fn dialect(&self) -> Dialect {
        if self.routed.load(Ordering::Relaxed) {
            Dialect::Router
        } else {
            Dialect::Tools
        }
    }

    /// One request and its answer, counted and kept.
    async fn exchange(
        &self,
        meter: &Meter,
        dialect: Dialect,
        question: &Question,
        coming: &dyn Fn(&Coming<'_>),
    ) -> Result<(Answer, f64), LlmError> {
        let body = body::of(&self.consult.model, dialect, question, ANSWER);
        let asked = budget::estimate(body.to_string().chars().count());
        let left = meter.admit(asked, ANSWER)?;
        let endpoint = match &self.source {
            Source::Recordings(recordings) => {
                let answer = recordings.find(&body)?;
                meter.count(answer.usage, 0.0);
                return Ok((answer, 0.0));
            }
            Source::Endpoint(endpoint) => endpoint,
            Source::Local { files, server } => server
                .get_or_try_init(|| local::Server::start(files))
                .await?
                .endpoint(),
        };
        let began = Instant::now();
        let mut incoming = Incoming::default();
        let tell = |pieces| {
            coming(&Coming {
                model: &self.consult.model,
                pieces,
                seconds: began.elapsed().as_secs_f64(),
                spent: meter.spent(),
                budget: meter.budget(),
            });
        };
        tell(0);
        let limit = Duration::from_secs_f64(left);
        let received =
            tokio::time::timeout(limit, receive(endpoint, &body, &mut incoming, &tell)).await;
        let seconds = began.elapsed().as_secs_f64();
        meter.count(incoming.usage(asked), seconds);
        received.map_err(|_| LlmError::TimedOut { seconds: left })??;
        let mut answer = incoming.end(asked)?;
        clean(endpoint.key(), &mut answer);
        if let Some(record) = &self.record {
            record.keep(&body, &answer, seconds)?;
        }
        Ok((answer, seconds))
    }
}

/// Sends the body and takes the answer in. The client library asks again, and waits longer each time, where the
/// endpoint is overloaded (429), broken (5xx) or does not take the connection.
async fn receive(
    endpoint: &Endpoint,
    body: &Value,
    incoming: &mut Incoming,
    tell: &dyn Fn(u64),
) -> Result<(), LlmError> {
    let client = endpoint.client()?;
    let failed = |error| typed(endpoint, error);
    let mut stream = client
        .chat()
        .create_stream_byot::<_, Chunk>(body)
        .await
        .map_err(failed)?;
    while let Some(chunk) = stream.next().await {
        tell(incoming.take(chunk.map_err(failed)?)?);
    }
    Ok(())
}

/// The library's error as one of ours, without the key.
fn typed(endpoint: &Endpoint, error: OpenAIError) -> LlmError {
    const LONGEST: usize = 300;
    let said = |text: String| -> String {
        endpoint
            .key()
            .removed_from(&text)
            .chars()
            .take(LONGEST)
            .collect()
    };
    match error {
        OpenAIError::ApiError(refused) => {
            let status = refused.status_code.as_u16();
            let why = said(refused.api_error.to_string());
            match status {
                429 | 500.. => LlmError::Broken { status, why },
                _ => LlmError::Refused { status, why },
            }
        }
        OpenAIError::Reqwest(error) => {
            let mut why = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                why = format!("{why}: {inner}");
                cause = inner.source();
            }
            LlmError::Unreachable {
                endpoint: endpoint.base().to_owned(),
                why: said(why),
            }
        }
        OpenAIError::StreamError(error) => LlmError::Half {
            why: said(error.to_string()),
        },
        other => LlmError::Garbled {
            why: said(other.to_string()),
        },
    }
}

/// Removes the key from an answer: it goes into a recording and back into a prompt.
fn clean(key: &Key, answer: &mut Answer) {
    answer.text = key.removed_from(&answer.text);
    for call in &mut answer.calls {
        call.name = key.removed_from(&call.name);
        call.arguments = key.removed_from(&call.arguments);
    }
}

#[cfg(test)]
mod tests;
