//! Carries out what an agent asks of a language model: the question itself, and looking at source and at what is known.
//!
//! Whatever goes wrong with the model is told to the agent and ends its dialogue. The run goes on without the model.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use portwright_core::{event::Event, job::ModelSource};

use crate::{
    dialogue::Advisor,
    llm::{LlmError, Meter, Model},
    protocol::{Lookup, Message, Observation, Question, Reply},
};

use super::{DriverError, knowledge, launch::Launch, source::Shelf};

/// The model of one launch, with what the launch has spent on it.
pub struct Consultant<'a> {
    launch: &'a Launch<'a>,
    model: Option<(&'a Model, Meter)>,
    shelf: Shelf,
    /// The model did not answer, and asking again would not help: the launch goes on without it.
    gone: AtomicBool,
}

impl<'a> Consultant<'a> {
    pub fn new(launch: &'a Launch<'a>) -> Self {
        let Launch { steps, request } = launch;
        let library = steps.session.environment.site_packages.join("transformers");
        let folder = match &request.target.source {
            ModelSource::Library => None,
            ModelSource::Folder { path } => Some(PathBuf::from(path)),
        };
        let model = steps
            .session
            .model
            .as_ref()
            .filter(|_| request.consult.is_some());
        Self {
            launch,
            model: model.map(|model| (model, model.meter())),
            shelf: Shelf::new(library, folder),
            gone: AtomicBool::new(false),
        }
    }

    /// What an agent may know of the model; `None` where there is none, or none any more.
    pub fn advisor(&self) -> Option<Advisor> {
        let (model, _) = self
            .model
            .as_ref()
            .filter(|_| !self.gone.load(Ordering::Relaxed))?;
        Some(Advisor {
            name: model.consult().model.clone(),
            looks: model.consult().looks,
        })
    }

    /// Asks the model, unless the same question to the same model was answered before.
    pub async fn consult(
        &self,
        agent: &str,
        question: &Question,
    ) -> Result<Observation, DriverError> {
        let Some((model, meter)) = &self.model else {
            let why = "there is no model (`--llm off`)".to_owned();
            return Ok(Observation::Consulted {
                reply: Reply::Unavailable { why },
            });
        };
        let question = self.portable(question);
        // What is remembered is the model's own answer; that there was none may have many causes.
        let lasting = |reply: &Reply| matches!(reply, Reply::Called { .. });
        let reply = self
            .launch
            .steps
            .remembered(
                "consult",
                &(&self.launch.request.consult, &question),
                lasting,
                async || self.ask(agent, model, meter, &question).await,
            )
            .await?;
        let gone = matches!(reply, Reply::Unavailable { .. });
        self.gone.fetch_or(gone, Ordering::Relaxed);
        Ok(Observation::Consulted { reply })
    }

    async fn ask(
        &self,
        agent: &str,
        model: &Model,
        meter: &Meter,
        question: &Question,
    ) -> Result<Reply, DriverError> {
        let before = meter.spent();
        let coming =
            |coming: &crate::llm::Coming<'_>| self.launch.steps.session.observer.coming(coming);
        let told = model.ask(meter, question, &coming).await;
        let (reply, what) = match told {
            Ok(told) => {
                let what = match &told.reply {
                    Reply::Called { tool, .. } => format!("calls {tool}"),
                    Reply::Unusable { why, .. } | Reply::Unavailable { why } => why.clone(),
                };
                (told.reply, what)
            }
            Err(LlmError::Unusable { why, text }) => {
                let what = format!("gives no usable answer: {why}");
                (Reply::Unusable { why, text }, what)
            }
            Err(error) => {
                let why = format!("{error} (hint: {})", error.hint());
                (Reply::Unavailable { why: why.clone() }, why)
            }
        };
        let spent = meter.spent();
        let known = self
            .launch
            .steps
            .session
            .model
            .as_ref()
            .and_then(Model::price);
        self.launch.steps.event(Event::Consulted {
            agent: agent.to_owned(),
            model: model.consult().model.clone(),
            what,
            tokens: spent.tokens - before.tokens,
            seconds: spent.seconds - before.seconds,
            dollars: known.map(|_| spent.dollars - before.dollars),
            tokens_spent: spent.tokens,
            tokens_allowed: meter.budget().tokens,
        })?;
        Ok(reply)
    }

    /// Looks at source, or into the index of the knowledge.
    pub fn look(&self, lookup: &Lookup) -> Observation {
        let found = match lookup {
            Lookup::Knowledge { question } => {
                knowledge::find(&self.launch.steps.session.knowledge, question)
            }
            Lookup::Span { file, line } => self.shelf.span(file, *line),
            Lookup::Symbol { name } => self.shelf.symbol(name),
        };
        Observation::Looked { found }
    }

    /// The question without what differs from machine to machine and from run to run: folders. So a recording of it is
    /// found on another machine, and the model learns nothing of this one.
    fn portable(&self, question: &Question) -> Question {
        let mut question = question.clone();
        for message in &mut question.messages {
            match message {
                Message::System { text }
                | Message::User { text }
                | Message::Result { text }
                | Message::Said { text } => *text = self.without_folders(text),
                Message::Call { .. } => {}
            }
        }
        question
    }

    fn without_folders(&self, text: &str) -> String {
        let session = self.launch.steps.session;
        let packages = format!("{}/", session.environment.site_packages.display());
        let mut text = text.replace(&packages, "");
        if let ModelSource::Folder { path } = &self.launch.request.target.source {
            text = text.replace(&format!("{}/", path.trim_end_matches('/')), "");
        }
        let work = session
            .work_folder(&self.launch.steps.run)
            .display()
            .to_string();
        without_step(&text, &work)
    }
}

/// Replaces `<work>/<key of a step>` with `work`.
fn without_step(text: &str, work: &str) -> String {
    let mut pieces = text.split(work);
    let mut shown = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.strip_prefix('/').unwrap_or(piece);
        let key = rest.chars().take_while(char::is_ascii_alphanumeric).count();
        shown.push_str("work");
        shown.push_str(&rest[key..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_step_is_shown_without_run_and_key() {
        let text = "cannot read /ledger/run-1/0a1b2c3d/job/x.onnx, nor /ledger/run-1";
        assert_eq!(
            without_step(text, "/ledger/run-1"),
            "cannot read work/job/x.onnx, nor work"
        );
    }
}
