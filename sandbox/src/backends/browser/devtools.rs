//! A browser without a screen, driven over the pipe of its developer tools: messages of JSON, each ended by a zero byte.

use std::{
    io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Write as _},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
};

use command_fds::{CommandFdExt as _, FdMapping};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// The descriptors on which the browser reads what it is told, and says what it has to say.
const READS: i32 = 3;
const WRITES: i32 = 4;

/// What every browser is started with.
const FLAGS: [&str; 13] = [
    "--headless",
    "--remote-debugging-pipe",
    // The cage is the wall: inside it the browser may build none of its own, nor the process that would fork for it.
    "--no-sandbox",
    "--no-zygote",
    // A process of its own for the GPU needs more of `/proc` than the weak cage shows, and would only be ended and begun again.
    "--in-process-gpu",
    // Shared memory in the work folder, where it is counted.
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-breakpad",
    "--disable-background-networking",
    "--enable-features=WebMachineLearningNeuralNetwork",
    // The adapter in software, and never another one under its name.
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    // Memory after a reload is measured, so what is unused has to be collected first.
    "--js-flags=--expose-gc",
];

/// Why a browser did not do what it was told.
#[derive(Debug, Error)]
pub enum DevtoolsError {
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("cannot talk with the browser: {0}")]
    Pipe(#[from] io::Error),
    /// Its end of the pipe is closed.
    #[error("the browser has ended")]
    Ended,
    #[error("the page has crashed")]
    Crashed,
    #[error("the browser said what is no message: {0}")]
    Message(#[from] serde_json::Error),
    #[error("the browser refused `{method}`: {message}")]
    Refused { method: String, message: String },
}

/// A message from the browser: the answer to a command, by its number, or an event.
#[derive(Debug, Deserialize)]
struct Message {
    id: Option<u64>,
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    message: String,
}

/// Something that happened in a page.
#[derive(Debug)]
pub struct Event {
    pub method: String,
    pub params: Value,
}

/// A running browser. It is ended when this goes.
#[derive(Debug)]
pub struct Devtools {
    child: Child,
    commands: PipeWriter,
    messages: BufReader<PipeReader>,
    last: u64,
    /// The page that commands are meant for, once there is one.
    session: Option<String>,
}

impl Devtools {
    /// Starts the browser with a profile of its own in `profile`.
    pub fn start(browser: &Path, profile: &Path) -> Result<Self, DevtoolsError> {
        let (reads, commands) = io::pipe()?;
        let (messages, writes) = io::pipe()?;
        let folder = browser.parent().unwrap_or(browser);
        let mut data = std::ffi::OsString::from("--user-data-dir=");
        data.push(profile);
        let mut command = Command::new(browser);
        command
            .args(FLAGS)
            .arg(data)
            .arg("about:blank")
            // What it was built with lies beside it; where the system has the same, that is as good.
            .env("LD_LIBRARY_PATH", folder.join("al2023/lib"))
            .stdin(Stdio::null());
        let mapping = |parent_fd: OwnedFd, child_fd| FdMapping {
            parent_fd,
            child_fd,
        };
        let start = |source: io::Error| DevtoolsError::Start {
            program: browser.display().to_string(),
            source,
        };
        command
            .fd_mappings(vec![
                mapping(reads.into(), READS),
                mapping(writes.into(), WRITES),
            ])
            .map_err(|error| start(io::Error::other(error)))?;
        let child = command.spawn().map_err(start)?;
        // The command holds the browser's ends: as long as they are open here, its end would not be seen.
        drop(command);
        Ok(Self {
            child,
            commands,
            messages: BufReader::new(messages),
            last: 0,
            session: None,
        })
    }

    /// The number of the browser's process.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or(0)
    }

    /// Opens a page, which later commands are meant for.
    pub fn open_page(&mut self) -> Result<(), DevtoolsError> {
        let nothing = &mut |_: &mut Self, _| Ok(());
        let page = self.call(
            "Target.createTarget",
            json!({ "url": "about:blank" }),
            nothing,
        )?;
        let target = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", target, nothing)?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        Ok(())
    }

    /// Gives a command whose answer nobody waits for.
    pub fn send(&mut self, method: &str, params: Value) -> Result<u64, DevtoolsError> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut text = serde_json::to_vec(&message)?;
        text.push(0);
        self.commands.write_all(&text)?;
        Ok(self.last)
    }

    /// Gives a command and waits for its answer; what happens meanwhile is told to `happened`.
    pub fn call(
        &mut self,
        method: &str,
        params: Value,
        happened: &mut dyn FnMut(&mut Self, Event) -> Result<(), DevtoolsError>,
    ) -> Result<Value, DevtoolsError> {
        let number = self.send(method, params)?;
        loop {
            let message = self.receive()?;
            if message.id == Some(number) {
                return match message.error {
                    None => Ok(message.result),
                    Some(Refusal { message }) => Err(DevtoolsError::Refused {
                        method: method.to_owned(),
                        message,
                    }),
                };
            }
            if let Some(method) = message.method {
                let params = message.params;
                happened(self, Event { method, params })?;
            }
        }
    }

    fn receive(&mut self) -> Result<Message, DevtoolsError> {
        let mut text = Vec::new();
        self.messages.read_until(0, &mut text)?;
        if text.pop() != Some(0) {
            return Err(DevtoolsError::Ended);
        }
        let message: Message = serde_json::from_slice(&text)?;
        match message.method.as_deref() {
            Some("Inspector.targetCrashed") => Err(DevtoolsError::Crashed),
            _ => Ok(message),
        }
    }
}

impl Drop for Devtools {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end, and waiting only collects it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
