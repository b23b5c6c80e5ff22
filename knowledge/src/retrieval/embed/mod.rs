//! Embeddings: texts to vectors, by a small model that runs in a process of its own.
//!
//! ONNX Runtime is a native library, and such are never loaded in the main process: a crash in it costs an answer and
//! not the program. The worker is this very program under a hidden name, and speaks JSON lines over its pipes.

mod model;
mod passage;
mod worker;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use model::{LOCK, Model};
pub use passage::passage;
pub use worker::worker_main;

use super::vectors::Vector;

/// The hidden subcommand that a program's `main` hands to [`worker_main`].
pub const WORKER: &str = "__embed-worker";

/// What the worker is asked, a line each.
#[derive(Debug, Serialize, Deserialize)]
struct Ask {
    texts: Vec<String>,
}

/// What the worker answers, a line each: the first when the model is loaded, then one for each question.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ready,
    Vectors(Vec<Vector>),
    Error(String),
}

/// Why texts could not be embedded.
#[derive(Debug, Error)]
pub enum EmbedError {
    #[error("there is no embedding model in {folder}")]
    NoModel { folder: PathBuf },
    #[error("{path} is not the file that it should be: its SHA-256 is {found}")]
    OtherFile { path: PathBuf, found: String },
    #[error("cannot {what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the process that embeds texts cannot be spoken with: {0}")]
    Pipe(#[source] std::io::Error),
    #[error("the process that embeds texts ended: {0}")]
    Ended(String),
    #[error("the process that embeds texts gave no sensible answer: {0}")]
    Answer(String),
    #[error("the embedding model: {0}")]
    Model(String),
}

impl EmbedError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoModel { .. } => {
                "`portwright knowledge build --vectors` fetches it once; `--by text` searches without it".into()
            }
            Self::OtherFile { path, .. } => format!(
                "remove {} and run `portwright knowledge build --vectors`",
                path.parent().unwrap_or(path).display()
            ),
            Self::Io { .. } => "check the free space and your right to write there".into(),
            _ => "search with `--by text`; if it stays, please report it with the output of `portwright doctor`".into(),
        }
    }
}

/// A running worker.
pub struct Embedder {
    child: Child,
    /// `None` once the worker is told to end.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    /// A program whose `main` knows [`WORKER`]: the running one.
    pub launcher: &'a Path,
    /// `libonnxruntime` of the environment.
    pub library: &'a Path,
    pub model: &'a Model,
    pub threads: usize,
}

impl Embedder {
    /// Starts a worker and waits until its model is loaded.
    pub fn start(start: &Start<'_>) -> Result<Self, EmbedError> {
        start.model.verify()?;
        Self::spawn(start)
    }

    fn spawn(start: &Start<'_>) -> Result<Self, EmbedError> {
        let mut child = Command::new(start.launcher)
            .arg(WORKER)
            .arg(start.library)
            .arg(&start.model.onnx)
            .arg(&start.model.tokenizer)
            .arg(start.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What the runtime prints is not for the user; what fails comes as an answer.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| EmbedError::Io {
                what: "start",
                path: start.launcher.to_owned(),
                source,
            })?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(EmbedError::Ended("it has no pipes".into()));
        };
        let mut embedder = Self {
            child,
            questions: Some(questions),
            answers: BufReader::new(answers),
        };
        match embedder.answer()? {
            Answer::Ready => Ok(embedder),
            Answer::Error(error) => Err(EmbedError::Model(error)),
            Answer::Vectors(_) => Err(EmbedError::Answer("vectors before it was ready".into())),
        }
    }

    /// The vectors of some texts, in their order, each of length 1.
    pub fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vector>, EmbedError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let ask = Ask {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        };
        let mut line =
            serde_json::to_string(&ask).map_err(|error| EmbedError::Answer(error.to_string()))?;
        line.push('\n');
        let written = match &mut self.questions {
            Some(questions) => questions.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        if let Err(error) = written {
            return Err(self.ended().unwrap_or(EmbedError::Pipe(error)));
        }
        match self.answer()? {
            Answer::Vectors(vectors) if vectors.len() == texts.len() => Ok(vectors),
            Answer::Vectors(vectors) => Err(EmbedError::Answer(format!(
                "{} vectors for {} texts",
                vectors.len(),
                texts.len()
            ))),
            Answer::Error(error) => Err(EmbedError::Model(error)),
            Answer::Ready => Err(EmbedError::Answer("it was ready twice".into())),
        }
    }

    fn answer(&mut self) -> Result<Answer, EmbedError> {
        let mut line = String::new();
        let read = self
            .answers
            .read_line(&mut line)
            .map_err(EmbedError::Pipe)?;
        if read == 0 {
            return Err(self
                .ended()
                .unwrap_or_else(|| EmbedError::Ended("without a word".into())));
        }
        serde_json::from_str(&line).map_err(|error| EmbedError::Answer(error.to_string()))
    }

    /// How the worker ended, where its pipe says that it did.
    fn ended(&mut self) -> Option<EmbedError> {
        self.questions = None;
        let status = self.child.wait().ok()?;
        Some(EmbedError::Ended(status.to_string()))
    }
}

impl Drop for Embedder {
    fn drop(&mut self) {
        // The end of its questions is the end of the worker, which has nothing to lose.
        self.questions = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests;
