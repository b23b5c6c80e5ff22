//! A dialogue with a language model about one failure: the last rung of a ladder, below rules and search.
//!
//! It is a step machine without input or output, as the agents are that hold one: it says what to ask or to look up and
//! is told what came of it. A model with few parameters is given everything at once and asked for one structured
//! answer; another one may look around first. Either way its word is only ever a proposal, which is checked as a
//! person's plan is, built, and judged like any other.

mod change;
mod rung;
mod tools;

use portwright_core::{
    Digest, Finding, InterfaceCard, PortPlan,
    job::Frame,
    plan::{Provenance, Source},
};
use portwright_prompts::{
    Prompt, analyst, fixer,
    fixer::{Excerpt, Tried},
    render,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::{Lookup, Message, Proposal, Question, Reply, Reproduction};

use change::{Change, Refused, apply, bare, recipe};
pub use rung::Rung;
use tools::{Call, tools};

/// Answers in a row that could not be read or were not taken, after which the dialogue ends.
const BAD: u32 = 3;
/// Lookups in a row without a proposal, after which the dialogue ends.
const LOOKS: u32 = 6;
/// Times the same lookup is made before the dialogue ends.
const SAME: usize = 3;
/// Attempts that the question tells of.
const TOLD: usize = 6;
/// Characters of a reason that is kept with a plan.
const REASON: usize = 300;

/// What an agent knows of the model that it may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisor {
    /// The model's name.
    pub name: String,
    /// Whether it may look around before it proposes.
    pub looks: bool,
}

/// What the dialogue is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Topic {
    /// A port fails on a backend.
    Repair,
    /// No plan has a sound reference.
    Plan,
}

/// A failure as it is put before the model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    pub topic: Topic,
    pub plan: Box<PortPlan>,
    pub finding: Box<Finding>,
    /// The keys of the plan's settings that the failure is met without, all of them together.
    pub needless: Vec<String>,
    /// The keys of single settings without which the failure was not met.
    pub needed: Vec<String>,
    /// What was tried, the latest last.
    pub tried: Vec<Tried>,
    /// The digests of the recipes that failed.
    pub failed: Vec<Digest>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Before the dialogue begins.
    Reproduce(Box<Reproduction>),
    Ask(Box<Question>),
    Look(Lookup),
    Propose(Proposal),
    /// There will be no proposal any more, for this reason.
    End(String),
}

/// A dialogue about one failure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dialogue {
    advisor: Advisor,
    case: Case,
    excerpt: Option<Excerpt>,
    /// What was said so far, for a model that may look around.
    messages: Vec<Message>,
    /// A lookup that the model asked for, rather than the first one.
    asked_to_look: bool,
    lookups: Vec<Lookup>,
    /// Lookups since the last proposal.
    looked: u32,
    bad: u32,
}

impl Dialogue {
    pub fn new(advisor: Advisor, case: Case) -> Self {
        Self {
            advisor,
            case,
            excerpt: None,
            messages: Vec::new(),
            asked_to_look: false,
            lookups: Vec::new(),
            looked: 0,
            bad: 0,
        }
    }

    /// The first step: the source around the error is looked up where a traceback leads there.
    pub fn begin(&mut self, card: &InterfaceCard) -> Next {
        match frames(&self.case.finding).last() {
            Some(frame) => Next::Look(Lookup::Span {
                file: frame.file.clone(),
                line: frame.line,
            }),
            None => self.ask(card),
        }
    }

    /// What a lookup found.
    pub fn looked(&mut self, card: &InterfaceCard, found: Result<Excerpt, String>) -> Next {
        if !self.asked_to_look {
            // The first question goes without the source where it cannot be had.
            self.excerpt = found.ok();
            return self.ask(card);
        }
        let text = match found {
            Ok(excerpt) => format!("{}\n{}", excerpt.place, excerpt.text),
            Err(why) => why,
        };
        let tool = match self.lookups.last() {
            Some(Lookup::Knowledge { .. }) => "knowledge",
            _ => "source",
        };
        self.show(tool, &text)
    }

    /// What came of a question.
    pub fn consulted(&mut self, card: &InterfaceCard, reply: Reply) -> Next {
        match reply {
            Reply::Unavailable { why } => Next::End(why),
            Reply::Unusable { why, text } => {
                self.messages.push(Message::Said {
                    text: text.chars().take(REASON).collect(),
                });
                self.bad(card, "(an answer that was no call)".to_owned(), why)
            }
            Reply::Called { tool, arguments } => {
                self.messages.push(Message::Call {
                    tool: tool.clone(),
                    arguments: arguments.clone(),
                });
                match Call::read(&tool, &arguments) {
                    Ok(call) => self.called(card, call, &arguments),
                    Err(refused) => self.bad(card, arguments.to_string(), refused.0),
                }
            }
        }
    }

    fn called(&mut self, card: &InterfaceCard, call: Call, arguments: &Value) -> Next {
        match call {
            Call::Propose {
                hypothesis,
                changes,
            } => {
                let reason: String = hypothesis.split_whitespace().collect::<Vec<_>>().join(" ");
                let provenance = Provenance {
                    source: Source::Model,
                    name: self.advisor.name.clone(),
                    answers: self.case.finding.signature.0.clone(),
                    reason: reason.chars().take(REASON).collect(),
                };
                match self.proposal(card, &changes, provenance) {
                    Ok(proposal) => {
                        self.bad = 0;
                        self.looked = 0;
                        Next::Propose(proposal)
                    }
                    Err(refused) => self.bad(card, arguments["changes"].to_string(), refused.0),
                }
            }
            Call::GiveUp { reason } => {
                let reason: String = reason.chars().take(REASON).collect();
                Next::End(format!("{} gives up: {reason}", self.advisor.name))
            }
            Call::ReadSource { file, line } => self.look(Lookup::Span { file, line }),
            Call::SearchSymbol { name } => self.look(Lookup::Symbol { name }),
            Call::SearchKnowledge { question } => self.look(Lookup::Knowledge { question }),
            Call::ShowFinding {} => {
                let text = format!(
                    "{}\n{}",
                    self.case.finding.message,
                    traceback(&self.case.finding)
                );
                self.again().unwrap_or_else(|| self.show("finding", &text))
            }
            Call::ShowPlan {} => match toml(&self.case.plan) {
                Ok(text) => self.again().unwrap_or_else(|| self.show("plan", &text)),
                Err(why) => Next::End(why),
            },
        }
    }

    fn proposal(
        &self,
        card: &InterfaceCard,
        changes: &[Change],
        provenance: Provenance,
    ) -> Result<Proposal, Refused> {
        let patches = |change: &Change| matches!(change, Change::Patch { .. });
        if self.case.topic == Topic::Plan && changes.iter().any(patches) {
            return Err(Refused(
                "a patch stands in while a model is exported, and PyTorch itself, which fails here, is never patched"
                    .to_owned(),
            ));
        }
        let plan = apply(card, &self.case.plan, changes, &provenance)?;
        if digest(&plan).is_some_and(|digest| self.case.failed.contains(&digest)) {
            return Err(Refused(
                "this very plan was tried before, and failed".to_owned(),
            ));
        }
        let Some(adaptation) = plan.adaptations.last().cloned() else {
            return Err(Refused("the proposal changes nothing".to_owned()));
        };
        Ok(Proposal {
            plan: Box::new(plan),
            adaptation,
        })
    }

    /// The plan that was proposed last, or one that was tried since, failed.
    pub fn failed(
        &mut self,
        card: &InterfaceCard,
        plan: &PortPlan,
        finding: &Finding,
        tried: Tried,
    ) -> Next {
        self.case.failed.extend(digest(plan));
        self.case.tried.push(tried);
        let traceback = traceback(finding);
        let prompt = fixer::Failed {
            finding,
            traceback: &traceback,
        };
        self.answer(card, &prompt)
    }

    /// The plan that was proposed last is not taken, for a reason that is no finding.
    pub fn rejected(&mut self, card: &InterfaceCard, change: String, why: &str) -> Next {
        self.case.tried.push(Tried {
            change,
            outcome: why.to_owned(),
        });
        self.answer(card, &fixer::Rejected { why })
    }

    /// An answer that is no good: the model is told why, unless it was told too often.
    fn bad(&mut self, card: &InterfaceCard, change: String, why: String) -> Next {
        self.bad += 1;
        if self.bad >= BAD {
            return Next::End(format!(
                "{BAD} answers in a row were not taken; the last one: {why}"
            ));
        }
        self.case.tried.push(Tried {
            change,
            outcome: format!("not taken: {why}"),
        });
        self.answer(card, &fixer::Rejected { why: &why })
    }

    fn look(&mut self, lookup: Lookup) -> Next {
        let times = self
            .lookups
            .iter()
            .filter(|known| **known == lookup)
            .count()
            + 1;
        self.lookups.push(lookup.clone());
        if times >= SAME {
            return Next::End(format!(
                "{} makes the same lookup again and again",
                self.advisor.name
            ));
        }
        if let Some(end) = self.again() {
            return end;
        }
        self.asked_to_look = true;
        Next::Look(lookup)
    }

    /// Counts a call that only shows something; the end, where there were too many.
    fn again(&mut self) -> Option<Next> {
        self.looked += 1;
        (self.looked > LOOKS).then(|| {
            Next::End(format!(
                "{} looked {LOOKS} times and proposed nothing",
                self.advisor.name
            ))
        })
    }

    fn show(&mut self, tool: &str, text: &str) -> Next {
        match render(&fixer::Seen { tool, text }) {
            Ok(text) => {
                self.messages.push(Message::Result { text });
                self.question()
            }
            Err(error) => Next::End(error.to_string()),
        }
    }

    /// Goes on after a prompt; a small model is asked afresh, with one more attempt to know of.
    fn answer(&mut self, card: &InterfaceCard, prompt: &impl Prompt) -> Next {
        if !self.advisor.looks {
            return self.ask(card);
        }
        match render(prompt) {
            Ok(text) => {
                let to_a_call = matches!(self.messages.last(), Some(Message::Call { .. }));
                self.messages.push(if to_a_call {
                    Message::Result { text }
                } else {
                    Message::User { text }
                });
                self.question()
            }
            Err(error) => Next::End(error.to_string()),
        }
    }

    /// The whole question from its beginning.
    fn ask(&mut self, card: &InterfaceCard) -> Next {
        match self.opening(card) {
            Ok(messages) => {
                self.messages = messages;
                self.question()
            }
            Err(why) => Next::End(why),
        }
    }

    fn opening(&self, card: &InterfaceCard) -> Result<Vec<Message>, String> {
        let case = &self.case;
        let plan = toml(&case.plan)?;
        let traceback = traceback(&case.finding);
        let fields = fields(card);
        let classes: Vec<String> = card
            .classes
            .iter()
            .filter(|class| class.task == case.plan.task)
            .map(|class| class.name.clone())
            .collect();
        let tried = &case.tried[case.tried.len().saturating_sub(TOLD)..];
        let repair = fixer::Repair {
            model_type: card.model_type.as_str(),
            plan: &plan,
            finding: &case.finding,
            traceback: &traceback,
            fields: &fields,
            classes: &classes,
            source: self.excerpt.as_ref(),
            needless: &case.needless,
            needed: &case.needed,
            tried,
        };
        let user = match case.topic {
            Topic::Repair => render(&repair),
            Topic::Plan => render(&analyst::Plan { repair }),
        };
        let told = |error: portwright_prompts::PromptError| error.to_string();
        Ok(vec![
            Message::System {
                text: render(&fixer::System {}).map_err(told)?,
            },
            Message::User {
                text: user.map_err(told)?,
            },
        ])
    }

    fn question(&self) -> Next {
        Next::Ask(Box::new(Question {
            messages: self.messages.clone(),
            tools: tools(self.advisor.looks),
        }))
    }
}

/// What two plans have in common that do the same; `None` for one that cannot be written.
fn digest(plan: &PortPlan) -> Option<Digest> {
    bare(plan).digest().ok()
}

/// What came of a plan, in a line.
fn outcome(finding: &Finding) -> String {
    let said: String = finding.message.chars().take(200).collect();
    format!("{}: {said}", finding.stage)
}

fn toml(plan: &PortPlan) -> Result<String, String> {
    // The question tells apart what was tried.
    recipe(plan).to_toml().map_err(|error| error.to_string())
}

/// The calls that led to the error, the last one nearest to it; only those of the model's code.
fn frames(finding: &Finding) -> Vec<&Frame> {
    let frames = finding.error.iter().flat_map(|error| &error.frames);
    frames
        .filter(|frame| frame.file.contains("modeling_") || frame.file.contains("configuration_"))
        .collect()
}

fn traceback(finding: &Finding) -> String {
    const SHOWN: usize = 6;
    let frames: Vec<&Frame> = finding
        .error
        .iter()
        .flat_map(|error| &error.frames)
        .collect();
    frames[frames.len().saturating_sub(SHOWN)..]
        .iter()
        .map(|frame| {
            let (file, line) = (near(&frame.file), frame.line);
            format!("{file}:{line} in {}: {}\n", frame.function, frame.code)
        })
        .collect()
}

/// The end of a path, which is the same on every machine and says enough.
fn near(file: &str) -> String {
    let parts: Vec<&str> = file.split('/').collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}

/// Fields of the configuration with plain defaults; long and nested ones say little about sizes.
fn fields(card: &InterfaceCard) -> String {
    let plain = |value: &Value| value.is_number() || value.is_boolean() || value.is_string();
    let own = card
        .config_fields
        .iter()
        .filter(|field| plain(&field.default))
        .map(|field| format!("{} = {}\n", field.name, field.default));
    let nested = card.sub_configs.iter().flat_map(|(sub, config)| {
        config
            .fields
            .iter()
            .filter(|field| field.default.is_number())
            .map(move |field| format!("{sub}.{} = {}\n", field.name, field.default))
    });
    own.chain(nested).collect()
}

#[cfg(test)]
mod tests;
