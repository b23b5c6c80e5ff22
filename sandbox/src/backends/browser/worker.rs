//! The worker: it starts the browser, opens one page in it, hands it what it asks for, and writes down what it answers. It runs
//! in the cage, one process for each attempt, and the browser below it.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use portwright_core::job::{Job, JobError};
use serde_json::{Value, json};

use super::{
    BROWSER,
    devtools::{Devtools, DevtoolsError, Event},
    page::{self, Found, ORIGIN, Served},
};
use crate::{
    backends::caged::{self, Answer, Request},
    process::resident_bytes_of_tree,
};

/// The hidden subcommand that a program's `main` hands to [`worker_main`].
pub const WORKER: &str = "__browser-worker";

/// The browser's profile, below the work folder.
const PROFILE: &str = "profile";

/// The function of the page that takes what is to be written.
const DELIVER: &str = "deliver";

/// The address at which the page learns how much memory the browser holds.
const SETTLED: &str = "/settled";

/// What the page is told: its answer is a text of JSON.
const RUN: &str = "import('/web/page.mjs').then((page) => page.run())";

/// Serves the request in the file at `path` and answers with the process's exit code: 0 when an answer was written.
pub fn worker_main(path: &Path) -> i32 {
    caged::serve(path, serve)
}

fn serve(request: &Request) -> Result<Answer, String> {
    let profile = request.work.join(PROFILE);
    let answered = drive(request, &profile);
    // Nobody reads it, and it would be counted.
    match fs::remove_dir_all(&profile) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(format!("cannot remove {}: {error}", profile.display()));
        }
        _ => {}
    }
    let failed = |message: String| {
        Ok(Answer::Error(JobError {
            exception: "BrowserError".to_owned(),
            message,
            doing: "load".to_owned(),
            ..JobError::default()
        }))
    };
    match answered {
        Ok(text) => serde_json::from_str(&text)
            .or_else(|error| failed(format!("the page's answer is none: {error}"))),
        // What broke took the answer with it: a crash.
        Err(error @ (DevtoolsError::Crashed | DevtoolsError::Ended | DevtoolsError::Pipe(_))) => {
            Err(error.to_string())
        }
        Err(error) => failed(error.to_string()),
    }
}

/// Runs the page, and answers with its answer.
fn drive(request: &Request, profile: &Path) -> Result<String, DevtoolsError> {
    let Job::Execute {
        artefact: Some(artefact),
        inputs,
        corners,
        ..
    } = &request.job
    else {
        return Err(refused("this worker only executes an artefact"));
    };
    let mut browser = Devtools::start(&request.library.join(BROWSER), profile)?;
    browser.open_page()?;
    let nothing = &mut |_: &mut Devtools, _| Ok(());
    let version = browser.call("Browser.getVersion", json!({}), nothing)?;
    let version = version["product"].as_str().unwrap_or_default();
    let artefact = PathBuf::from(artefact);
    let served = Served {
        root: request.library.clone(),
        request: json!({
            "job": request.job,
            "tuning": request.tuning,
            "backend": request.backend,
            "beside": page::weights_beside(&artefact)?,
            "browser": version.rsplit('/').next(),
        }),
        artefact,
        sets: inputs.iter().chain(corners).cloned().collect(),
    };
    let mut happened = |browser: &mut Devtools, event: Event| -> Result<(), DevtoolsError> {
        let Event { method, params } = event;
        match method.as_str() {
            "Fetch.requestPaused" => {
                let address = params["request"]["url"].as_str().unwrap_or_default();
                let found = match address.strip_prefix(ORIGIN) {
                    Some(SETTLED) => Some(Found {
                        content: resident_bytes_of_tree(browser.pid()).to_string().into(),
                        kind: "text/plain",
                    }),
                    _ => served.find(address),
                };
                let (method, response) = page::response(&params, found);
                browser.send(method, response)?;
            }
            "Runtime.bindingCalled" if params["name"] == DELIVER => {
                let payload = params["payload"].as_str().unwrap_or_default();
                page::deliver(&serde_json::from_str(payload)?, &request.work)?;
            }
            _ => {}
        }
        Ok(())
    };
    browser.call(
        "Fetch.enable",
        json!({ "patterns": [{ "urlPattern": "*" }] }),
        &mut happened,
    )?;
    browser.call("Inspector.enable", json!({}), &mut happened)?;
    // Without it a page that is opened later has no such function.
    browser.call("Runtime.enable", json!({}), &mut happened)?;
    browser.call(
        "Runtime.addBinding",
        json!({ "name": DELIVER }),
        &mut happened,
    )?;
    browser.call(
        "Page.navigate",
        json!({ "url": format!("{ORIGIN}/") }),
        &mut happened,
    )?;
    let run = json!({ "expression": RUN, "awaitPromise": true, "returnByValue": true });
    let ran = browser.call("Runtime.evaluate", run, &mut happened)?;
    match ran["result"]["value"].as_str() {
        Some(answer) => Ok(answer.to_owned()),
        None => Err(refused(&exception(&ran))),
    }
}

/// What a script threw.
fn exception(ran: &Value) -> String {
    let details = &ran["exceptionDetails"];
    let thrown = details["exception"]["description"].as_str();
    let thrown = thrown.or(details["text"].as_str());
    thrown
        .unwrap_or("the page's script gave nothing")
        .to_owned()
}

fn refused(message: &str) -> DevtoolsError {
    DevtoolsError::Refused {
        method: "run".to_owned(),
        message: message.to_owned(),
    }
}
