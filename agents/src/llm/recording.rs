//! Questions and answers as files, from which a run is answered again without a network.
//!
//! A file is named by the digest of the request's body, so what is found is the answer to this very request. The body
//! holds no key: the key is in the request's header alone.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LlmError, body::RawCall, budget::Usage};

const SCHEMA: u32 = 1;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<RawCall>,
    pub usage: Usage,
}

/// One exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    schema: u32,
    /// How long the answer took.
    seconds: f64,
    request: Value,
    answer: Answer,
}

/// A folder of exchanges.
#[derive(Clone, Debug)]
pub struct Recordings {
    folder: PathBuf,
}

/// The digest of a body: the order of an object's fields does not matter.
pub fn digest(body: &Value) -> Digest {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<&String, Value> = fields
                    .iter()
                    .map(|(name, value)| (name, sorted(value)))
                    .collect();
                fields
                    .into_iter()
                    .map(|(name, value)| (name.clone(), value))
                    .collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    Digest::of(sorted(body).to_string())
}

impl Recordings {
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn path(&self, body: &Value) -> PathBuf {
        self.folder.join(format!("{}.json", digest(body)))
    }

    /// The recorded answer to this body.
    pub fn find(&self, body: &Value) -> Result<Answer, LlmError> {
        let path = self.path(body);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let messages = body["messages"].as_array();
                let last = messages
                    .and_then(|messages| messages.last()?["content"].as_str())
                    .unwrap_or_default();
                return Err(LlmError::NoRecording {
                    digest: digest(body).to_string(),
                    folder: self.folder.clone(),
                    model: body["model"].as_str().unwrap_or_default().to_owned(),
                    messages: messages.map_or(0, Vec::len),
                    last: last.chars().take(80).collect(),
                });
            }
            Err(source) => return Err(LlmError::Folder { path, source }),
        };
        let exchange = read(&path, &text)?;
        if digest(&exchange.request) != digest(body) {
            return Err(LlmError::Recording {
                path,
                why: "its name is not the digest of its request".to_owned(),
            });
        }
        Ok(exchange.answer)
    }

    /// Keeps an exchange; the file is written beside its place and moved there.
    pub fn keep(&self, body: &Value, answer: &Answer, seconds: f64) -> Result<(), LlmError> {
        let path = self.path(body);
        let exchange = Exchange {
            schema: SCHEMA,
            seconds,
            request: body.clone(),
            answer: answer.clone(),
        };
        let text =
            serde_json::to_string_pretty(&exchange).map_err(|error| LlmError::Recording {
                path: path.clone(),
                why: error.to_string(),
            })?;
        let failed = |source| LlmError::Folder {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        fs::write(&beside, text + "\n").map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)
    }

    /// The one model whose answers are in the folder; `None` where there are several or none.
    pub fn model(&self) -> Result<Option<String>, LlmError> {
        let failed = |source| LlmError::Folder {
            path: self.folder.clone(),
            source,
        };
        let mut model = None;
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|end| end != "json") {
                continue;
            }
            let text = fs::read_to_string(&path).map_err(failed)?;
            let request = read(&path, &text)?.request;
            let found = request["model"].as_str().unwrap_or_default().to_owned();
            if model.as_ref().is_some_and(|known| *known != found) {
                return Ok(None);
            }
            model = Some(found);
        }
        Ok(model)
    }
}

fn read(path: &Path, text: &str) -> Result<Exchange, LlmError> {
    let failed = |why: String| LlmError::Recording {
        path: path.to_owned(),
        why,
    };
    let exchange: Exchange =
        serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
    if exchange.schema != SCHEMA {
        return Err(failed(format!(
            "it has schema {}; this version reads schema {SCHEMA}",
            exchange.schema
        )));
    }
    Ok(exchange)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Answer {
        Answer {
            text: "{}".into(),
            calls: Vec::new(),
            usage: Usage {
                input: 3,
                output: 1,
                estimated: false,
            },
        }
    }

    fn body(content: &str) -> Value {
        json!({ "model": "m", "messages": [{ "role": "user", "content": content }] })
    }

    #[test]
    fn an_exchange_is_found_by_its_body_in_any_order_of_fields() {
        let folder = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(folder.path());
        recordings.keep(&body("a"), &answer(), 1.5).unwrap();
        let other = json!({ "messages": [{ "content": "a", "role": "user" }], "model": "m" });
        assert_eq!(recordings.find(&other).unwrap(), answer());
        assert_eq!(recordings.model().unwrap().as_deref(), Some("m"));
    }

    #[test]
    fn a_miss_names_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(folder.path());
        let error = recordings.find(&body("What now?")).unwrap_err();
        let said = error.to_string();
        for named in [digest(&body("What now?")).as_str(), "model m", "What now?"] {
            assert!(said.contains(named), "{said}");
        }
        assert!(error.hint().contains("record again"));
    }

    #[test]
    fn a_recording_under_another_name_answers_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(folder.path());
        recordings.keep(&body("a"), &answer(), 1.5).unwrap();
        fs::rename(recordings.path(&body("a")), recordings.path(&body("b"))).unwrap();
        let error = recordings.find(&body("b")).unwrap_err();
        assert!(error.to_string().contains("digest"), "{error}");
    }

    #[test]
    fn two_models_in_a_folder_are_not_guessed_between() {
        let folder = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(folder.path());
        recordings.keep(&body("a"), &answer(), 1.0).unwrap();
        let other = json!({ "model": "n", "messages": [] });
        recordings.keep(&other, &answer(), 1.0).unwrap();
        assert_eq!(recordings.model().unwrap(), None);
    }
}
