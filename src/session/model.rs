//! Opens the language model that the options, settings and variables name.

use std::{env, path::PathBuf, sync::Arc};

use portwright_agents::{
    driver::Session,
    llm::{Budget, Consult, Endpoint, Key, LlmError, Model, Recordings, local, prices},
};

use super::Progress;
use crate::{error::CliError, exit, settings::Settings};

/// Answers come from the recordings in the folder after it.
const REPLAY: &str = "replay:";
/// The size of the local model where none is named.
const SIZE: &str = "1.5b";

/// Options of the commands that may ask a language model.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ModelArgs {
    /// Ask a language model where rules and search have no more to try: `off`, `local`, `env` (the endpoint of
    /// `OPENAI_BASE_URL`), the address of an OpenAI-compatible endpoint, or `replay:DIR` (docs/reference/llm.md).
    #[arg(long, value_name = "off|local|URL")]
    pub llm: Option<String>,
    /// The model's name at the endpoint; for `local` its size, `1.5b` or `0.5b`.
    #[arg(long, value_name = "NAME")]
    pub llm_model: Option<String>,
}

/// What is asked for, before anything is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Off,
    Local,
    Url(String),
    Replay(PathBuf),
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn asked(text: &str, base: Option<String>) -> Result<Asked, CliError> {
    match text {
        "off" => Ok(Asked::Off),
        "local" => Ok(Asked::Local),
        "env" => base.map(Asked::Url).ok_or_else(|| {
            CliError::usage(
                "`--llm env` asks the endpoint of OPENAI_BASE_URL, which is not set",
                "set it, or give the address to --llm",
            )
        }),
        text => match text.strip_prefix(REPLAY) {
            Some(folder) => Ok(Asked::Replay(folder.into())),
            None if text.contains("://") => Ok(Asked::Url(text.to_owned())),
            None => Err(CliError::usage(
                format!("`{text}` is no language model"),
                "--llm takes off, local, env, an address such as http://127.0.0.1:8080/v1, or replay:DIR",
            )),
        },
    }
}

/// The model, or `None` with `--llm off`.
pub async fn model<P: Progress + 'static>(
    args: &ModelArgs,
    settings: &Settings,
    session: &Session,
    live: Arc<P>,
) -> Result<Option<Model>, CliError> {
    let wanted = args.llm.as_deref().unwrap_or(&settings.llm.model_at);
    let asked = asked(wanted, variable("OPENAI_BASE_URL"))?;
    let named = args
        .llm_model
        .clone()
        .or_else(|| variable("OPENAI_MODEL"))
        .or_else(|| settings.llm.model.clone());
    let table = prices(settings.llm.prices.as_deref())?;
    let budget = Budget {
        tokens: settings.llm.tokens.get(),
        dollars: settings.llm.dollars.0,
        seconds: settings.llm.seconds.get(),
        steps: settings.llm.questions.get(),
    };
    let small = settings.llm.small;
    let consult = |model: String, at: &str| -> Result<Consult, CliError> {
        let known = local::models()?
            .into_values()
            .any(|weights| weights.name == model);
        Ok(Consult {
            looks: !small && !known,
            model,
            at: at.to_owned(),
            budget,
        })
    };
    let price = |consult: &Consult| table.get(&consult.model).copied();
    let record = Recordings::new(session.ledger.folder().join("recordings"));
    let model = match asked {
        Asked::Off => return Ok(None),
        Asked::Local => {
            // A name of another endpoint may stand in the variable or the settings.
            let size = args.llm_model.clone().unwrap_or_else(|| SIZE.to_owned());
            let files = files(size, settings, live).await?;
            let consult = consult(files.name.clone(), "local")?;
            let price = price(&consult);
            Model::local(files, consult, price, record)?
        }
        Asked::Url(url) => {
            let key = Key::new(variable("OPENAI_API_KEY").unwrap_or_default());
            let endpoint = Endpoint::new(&url, key)?;
            let Some(name) = named else {
                return Err(CliError::usage(
                    "the endpoint has to be told which model to ask",
                    "name it with --llm-model, OPENAI_MODEL or `llm.model`",
                ));
            };
            let consult = consult(name, endpoint.base())?;
            let price = price(&consult);
            Model::at(endpoint, consult, price, record)?
        }
        Asked::Replay(folder) => {
            let recordings = Recordings::new(&folder);
            let found = recordings.model()?;
            let Some(name) = args.llm_model.clone().or(found) else {
                return Err(CliError::usage(
                    format!(
                        "{} holds recordings of several models, or of none",
                        folder.display()
                    ),
                    "name the model with --llm-model",
                ));
            };
            let consult = consult(name, "recordings")?;
            let price = price(&consult);
            Model::recorded(recordings, consult, price)?
        }
    };
    Ok(Some(model))
}

/// The local model's files, fetched where they are not there yet.
async fn files<P: Progress + 'static>(
    size: String,
    settings: &Settings,
    live: Arc<P>,
) -> Result<local::Files, CliError> {
    let options = settings.environment_options()?;
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    let fetched = tokio::task::spawn_blocking(move || {
        local::fetch(&size, &options, threads, &mut |text| live.doing(text))
    });
    Ok(fetched.await.map_err(CliError::internal)??)
}

impl From<LlmError> for CliError {
    fn from(error: LlmError) -> Self {
        let code = match error {
            LlmError::Folder { .. } | LlmError::Recording { .. } => exit::STORAGE,
            LlmError::Client { .. } => exit::INTERNAL,
            _ => exit::USAGE,
        };
        Self::new(code, &error, Some(error.hint().to_owned()))
    }
}

impl From<local::LocalError> for CliError {
    fn from(error: local::LocalError) -> Self {
        let code = match error {
            local::LocalError::Size { .. } => exit::USAGE,
            local::LocalError::Table(_) => exit::INTERNAL,
            _ => exit::ENVIRONMENT,
        };
        Self::new(code, &error, Some(error.hint()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_in_one_of_five_ways() {
        let asked = |text: &str| asked(text, Some("http://127.0.0.1:1/v1".into()));
        assert_eq!(asked("off").unwrap(), Asked::Off);
        assert_eq!(asked("local").unwrap(), Asked::Local);
        let url = Asked::Url("http://127.0.0.1:1/v1".into());
        assert_eq!(asked("env").unwrap(), url);
        assert_eq!(asked("http://127.0.0.1:1/v1").unwrap(), url);
        assert_eq!(asked("replay:a/b").unwrap(), Asked::Replay("a/b".into()));
        assert_eq!(asked("on").unwrap_err().code, exit::USAGE);
    }

    #[test]
    fn the_endpoint_of_a_variable_that_is_not_set_is_an_error() {
        let error = asked("env", None).unwrap_err();
        assert!(error.message.contains("OPENAI_BASE_URL"));
    }
}
