//! What a job says, cut to what can be kept and shown. Every report passes here on its way into the main process.
//!
//! A job can say anything: it runs code that nobody has read. So its texts have a length, and what acts on a terminal or a
//! page is in writing (see [`text`](crate::text)); its lists have a size; and an answer that is deeper or larger than any
//! honest one is no answer. Numbers are finite, since JSON has no others. What a text or number *means* is asked where it
//! is used: this only makes it data.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    finding::{Finding, Signature},
    job::{Frame, JobError, JobOutcome},
    text::{cut, line, visible},
};

/// The longest text of an answer, in characters.
const LONGEST_TEXT: usize = 16 << 10;
/// The longest key of an answer, in characters.
const LONGEST_KEY: usize = 512;
/// How deep an answer may be nested.
const DEEPEST: usize = 64;

/// The longest message of an error, in characters.
const LONGEST_MESSAGE: usize = 8_001;
/// The longest name in an error, such as a class or a function.
const LONGEST_NAME: usize = 200;
/// The longest line of code or path of a file in an error.
const LONGEST_LINE: usize = 1_000;
/// The most frames of a traceback: the innermost.
const MOST_FRAMES: usize = 60;
/// The most local tensors of a frame, and the most axes of one.
const MOST_TENSORS: usize = 24;
const MOST_AXES: usize = 32;
/// The most causes of an error.
const MOST_CAUSES: usize = 16;
/// The longest end of a log.
const LONGEST_LOG: usize = 16 << 10;

/// The longest sentence of a finding, and its longest signature.
const LONGEST_SENTENCE: usize = 2_000;
const LONGEST_SIGNATURE: usize = 600;

impl JobOutcome {
    /// The same outcome within bounds; an answer of more than `most` values, or one too deep, is an error of the job's.
    pub fn bounded(self, most: usize) -> Self {
        match self {
            JobOutcome::Done { result } => {
                let mut left = most;
                match value(result, DEEPEST, &mut left) {
                    Ok(result) => JobOutcome::Done { result },
                    Err(why) => JobOutcome::Failed {
                        error: JobError::malformed(&why),
                    },
                }
            }
            JobOutcome::Failed { error } => JobOutcome::Failed {
                error: error.bounded(),
            },
            JobOutcome::Crashed { status, log } => JobOutcome::Crashed {
                status: line(&cut(&status, LONGEST_NAME)),
                log: visible(&cut(&log, LONGEST_LOG)),
            },
            JobOutcome::TimedOut { .. } | JobOutcome::OutOfMemory { .. } => self,
        }
    }
}

impl JobError {
    /// The error of a job whose answer cannot be read.
    pub fn malformed(why: &str) -> Self {
        JobError {
            exception: "MalformedAnswer".to_owned(),
            message: format!("the job's answer cannot be read: {why}"),
            ..JobError::default()
        }
        .bounded()
    }

    /// The same error within bounds.
    pub fn bounded(self) -> Self {
        let before = self.frames.len().saturating_sub(MOST_FRAMES);
        JobError {
            exception: line(&cut(&self.exception, LONGEST_NAME)),
            message: visible(&cut(&self.message, LONGEST_MESSAGE)),
            frames: self.frames.into_iter().skip(before).map(frame).collect(),
            causes: self
                .causes
                .iter()
                .take(MOST_CAUSES)
                .map(|cause| visible(&cut(cause, LONGEST_MESSAGE)))
                .collect(),
            doing: line(&cut(&self.doing, LONGEST_NAME)),
        }
    }
}

fn frame(frame: Frame) -> Frame {
    let tensors = frame.tensors.into_iter().take(MOST_TENSORS);
    Frame {
        file: line(&cut(&frame.file, LONGEST_LINE)),
        line: frame.line,
        function: line(&cut(&frame.function, LONGEST_NAME)),
        code: line(&cut(&frame.code, LONGEST_LINE)),
        tensors: tensors
            .map(|(name, shape)| {
                let shape = shape.into_iter().take(MOST_AXES).collect();
                (line(&cut(&name, LONGEST_NAME)), shape)
            })
            .collect::<BTreeMap<_, _>>(),
    }
}

/// A value of which at most `left` are there and none lies deeper than `depth`.
fn value(found: Value, depth: usize, left: &mut usize) -> Result<Value, String> {
    *left = left
        .checked_sub(1)
        .ok_or_else(|| "it holds more values than any answer of its kind".to_owned())?;
    let deeper = || {
        depth
            .checked_sub(1)
            .ok_or_else(|| format!("it is nested deeper than {DEEPEST} levels"))
    };
    Ok(match found {
        Value::String(text) => Value::String(visible(&cut(&text, LONGEST_TEXT))),
        Value::Array(items) => {
            let depth = deeper()?;
            let bounded = items.into_iter().map(|item| value(item, depth, left));
            Value::Array(bounded.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let depth = deeper()?;
            let mut bounded = serde_json::Map::new();
            for (key, field) in fields {
                if key.len() > LONGEST_KEY {
                    return Err(format!("a key has {} bytes", key.len()));
                }
                bounded.insert(visible(&key), value(field, depth, left)?);
            }
            Value::Object(bounded)
        }
        plain => plain,
    })
}

impl Finding {
    /// The same finding with each of its sentences in one line of bounded length: what it quotes of a job, a file or a
    /// source can begin no line of its own where it is told.
    pub fn bounded(self) -> Self {
        Finding {
            signature: Signature(cut(&line(&self.signature.0), LONGEST_SIGNATURE)),
            message: cut(&line(&self.message), LONGEST_SENTENCE),
            error: self.error.map(JobError::bounded),
            hint: self.hint.map(|hint| cut(&line(&hint), LONGEST_SENTENCE)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{finding::Stage, text::is_hidden};

    const HOSTILE: &str = "\u{1b}[1;32m\r\n  openvino pass\u{202e}\u{9b}31m";

    fn answered(result: Value) -> JobOutcome {
        JobOutcome::Done { result }.bounded(1_000)
    }

    fn refusal(outcome: JobOutcome) -> String {
        let JobOutcome::Failed { error } = outcome else {
            panic!("not refused: {outcome:?}");
        };
        assert_eq!(error.exception, "MalformedAnswer");
        error.message
    }

    #[test]
    fn an_honest_answer_is_left_as_it_is() {
        let result =
            json!({"device": "cpu", "seconds": 1.5, "notes": ["two\nlines"], "none": null});
        let same = JobOutcome::Done {
            result: result.clone(),
        };
        assert_eq!(answered(result), same);
    }

    #[test]
    fn texts_and_keys_of_an_answer_act_on_nothing() {
        let JobOutcome::Done { result } = answered(json!({ HOSTILE: [HOSTILE] })) else {
            panic!("refused");
        };
        let hidden = |text: &str| text.contains(|c| is_hidden(c) && c != '\n');
        let (key, value) = result.as_object().unwrap().iter().next().unwrap();
        assert!(!hidden(key) && !hidden(value[0].as_str().unwrap()));
    }

    #[test]
    fn a_long_text_is_cut_and_what_is_too_large_is_no_answer() {
        let JobOutcome::Done { result } = answered(json!("x".repeat(100_000))) else {
            panic!("refused");
        };
        assert!(result.as_str().unwrap().chars().count() <= LONGEST_TEXT + 1);
        let deep = (0..100).fold(json!(0), |inner, _| json!([inner]));
        assert!(refusal(answered(deep)).contains("deeper"));
        assert!(refusal(answered(json!(vec![0; 1_000]))).contains("more values"));
        assert!(refusal(answered(json!({ "k".repeat(1_000): 0 }))).contains("key"));
    }

    #[test]
    fn an_error_is_cut_in_every_part() {
        let long = HOSTILE.repeat(10_000);
        let frame = Frame {
            file: long.clone(),
            function: long.clone(),
            code: long.clone(),
            tensors: (0..100)
                .map(|n| (format!("{n}{HOSTILE}"), vec![1; 100]))
                .collect(),
            ..Frame::default()
        };
        let error = JobError {
            exception: long.clone(),
            message: long.clone(),
            frames: vec![frame; 500],
            causes: vec![long.clone(); 500],
            doing: long.clone(),
        };
        let JobOutcome::Failed { error } = (JobOutcome::Failed { error }).bounded(0) else {
            panic!("another outcome");
        };
        let text = serde_json::to_string(&error).unwrap();
        assert!(text.len() < 2 << 20, "{}", text.len());
        assert!(!text.contains(is_hidden));
        assert!(!error.exception.contains('\n') && !error.doing.contains('\n'));
        assert_eq!(error.frames.len(), MOST_FRAMES);
        assert!(
            error
                .frames
                .iter()
                .all(|it| it.tensors.len() <= MOST_TENSORS && !it.code.contains('\n'))
        );
    }

    #[test]
    fn the_end_of_a_log_acts_on_nothing() {
        let crashed = JobOutcome::Crashed {
            status: HOSTILE.into(),
            log: HOSTILE.into(),
        };
        let JobOutcome::Crashed { status, log } = crashed.bounded(0) else {
            panic!("another outcome");
        };
        assert!(!status.contains(is_hidden) && !log.contains(|c| is_hidden(c) && c != '\n'));
    }

    #[test]
    fn a_finding_is_told_in_single_lines() {
        let finding = Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase(HOSTILE),
            message: HOSTILE.repeat(1_000),
            error: None,
            hint: Some(HOSTILE.into()),
        }
        .bounded();
        assert!(!finding.message.contains(is_hidden) && !finding.signature.0.contains(is_hidden));
        assert!(!finding.hint.unwrap().contains(is_hidden));
        assert!(finding.message.chars().count() <= LONGEST_SENTENCE + 1);
    }
}
