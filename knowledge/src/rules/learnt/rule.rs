//! Rules and their states, as they follow from the lessons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Lesson, Outcome, Repair, hiding::hides_a_branch};

/// A rule that was learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LearntRule {
    pub name: String,
    pub repair: Repair,
    /// Why it should help, as its finder said.
    pub reason: String,
    /// In the release that was asked about.
    pub state: State,
    /// The runs in which it cured, the first one first.
    pub cured: Vec<Witness>,
    /// The runs in which it did not help; it stays what it is, unless it had cured that type before.
    pub did_not_help: Vec<Witness>,
    /// The runs in which it broke something.
    pub broke: Vec<Witness>,
    /// Releases in which it is in quarantine.
    pub quarantined: BTreeSet<String>,
}

/// How far a rule is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A second type confirmed it.
    Active,
    /// It cured one type so far.
    Candidate,
    /// It broke something in this release, and is not tried in it; or it hides a branch, and is tried in none.
    Quarantined,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Candidate => "candidate",
            State::Quarantined => "quarantined",
        }
    }
}

/// A run that a rule was tried in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    pub run: String,
    pub model_type: String,
    pub library_version: String,
    /// Who proposed it there.
    pub source: String,
}

/// The rules that follow from `lessons`, the oldest lesson first, with their states in the release `version`. The most
/// trusted come first.
pub fn rules(lessons: &[Lesson], version: &str) -> Vec<LearntRule> {
    let mut found: BTreeMap<String, LearntRule> = BTreeMap::new();
    for lesson in lessons {
        let name = lesson.repair.name();
        if lesson.outcome == Outcome::Cured || found.contains_key(&name) {
            let rule = found.entry(name.clone()).or_insert_with(|| LearntRule {
                name,
                repair: lesson.repair.clone(),
                reason: lesson.reason.clone(),
                state: State::Candidate,
                cured: Vec::new(),
                did_not_help: Vec::new(),
                broke: Vec::new(),
                quarantined: BTreeSet::new(),
            });
            rule.learn(lesson);
        }
    }
    let mut rules: Vec<LearntRule> = found.into_values().collect();
    for rule in &mut rules {
        rule.state = if hides_a_branch(&rule.repair) || rule.quarantined.contains(version) {
            State::Quarantined
        } else if rule.types().len() > 1 {
            State::Active
        } else {
            State::Candidate
        };
    }
    rules.sort_by_key(|rule| (rule.state, std::cmp::Reverse(rule.types().len())));
    rules
}

impl LearntRule {
    /// The types that it cured.
    pub fn types(&self) -> BTreeSet<&str> {
        self.cured.iter().map(|w| w.model_type.as_str()).collect()
    }

    /// The releases in which it cured.
    pub fn versions(&self) -> BTreeSet<&str> {
        let versions = self.cured.iter().map(|w| w.library_version.as_str());
        versions.collect()
    }

    fn learn(&mut self, lesson: &Lesson) {
        let witness = Witness {
            run: lesson.run.as_str().to_owned(),
            model_type: lesson.model_type.clone(),
            library_version: lesson.library_version.clone(),
            source: format!("{:?}", lesson.source).to_lowercase(),
        };
        let version = lesson.library_version.clone();
        match lesson.outcome {
            Outcome::Cured => {
                // Whoever found it again in this release lifts the quarantine.
                self.quarantined.remove(&version);
                self.cured.push(witness);
            }
            Outcome::DidNotHelp => {
                if self.types().contains(lesson.model_type.as_str()) {
                    self.quarantined.insert(version);
                }
                self.did_not_help.push(witness);
            }
            Outcome::Broke => {
                self.quarantined.insert(version);
                self.broke.push(witness);
            }
        }
    }
}
