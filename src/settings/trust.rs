//! Who may choose what: the trust of every setting, and the form of its value.
//!
//! A settings file that lies in a working folder comes with whatever else lies there: whoever clones a repository or
//! unpacks a model has not read it. So it may say what is ported, and no more. What names a program, an endpoint, a key,
//! a cache or a price, and what would lower a wall, holds from the user's own file, from the file that `--config` names,
//! from variables and from options only. A setting that is not declared here is the user's alone.

use std::path::{Component, Path};

use toml::Value;

/// From where a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any file may set it: no wall depends on it, and nothing outside of the folder.
    Any,
    /// A limit or a wall: a file in a working folder may make it stricter, and not weaker.
    Stricter,
    /// A folder that is written: a file in a working folder may choose one inside its own folder only.
    Inside,
    /// A file in a working folder may not set it.
    Own,
}

/// How the text of a setting is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// Always a path.
    Path,
    /// A path where it has a separator, and else the name of a program.
    Program,
}

/// A setting by its dotted key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared {
    pub key: &'static str,
    pub form: Form,
    pub trust: Trust,
    /// What it decides, after "it".
    pub decides: &'static str,
}

const fn of(key: &'static str, trust: Trust, decides: &'static str) -> Declared {
    Declared {
        key,
        form: Form::Plain,
        trust,
        decides,
    }
}

impl Declared {
    const fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

const MEMORY: &str = "limits the memory of a job";
const DISK: &str = "limits what jobs leave on the disk";
const TIME: &str = "limits the time of jobs";
const TRIES: &str = "says how often is tried, within limits of time";
const SPENT: &str = "limits what is spent on a language model";

/// Every setting; a test walks the defaults and finds each of them here.
pub(super) const DECLARED: &[Declared] = &[
    of("run.backends", Trust::Any, "says what is ported to"),
    of(
        "run.repo",
        Trust::Inside,
        "names a folder that is written to",
    )
    .form(Form::Path),
    of("run.memory_limit_mib", Trust::Stricter, MEMORY),
    of("run.wall_seconds", Trust::Stricter, TIME),
    of("run.cpu_seconds", Trust::Stricter, TIME),
    of("run.disk_limit_mib", Trust::Stricter, DISK),
    of("run.plans", Trust::Any, TRIES),
    of("run.analysis_seconds", Trust::Stricter, TIME),
    of("run.attempts", Trust::Any, TRIES),
    of("run.repair_seconds", Trust::Stricter, TIME),
    of("sweep.memory_limit_mib", Trust::Stricter, MEMORY),
    of("sweep.wall_seconds", Trust::Stricter, TIME),
    of("sweep.disk_limit_mib", Trust::Stricter, DISK),
    of("sweep.plans", Trust::Any, TRIES),
    of("sweep.analysis_seconds", Trust::Stricter, TIME),
    of("sweep.attempts", Trust::Any, TRIES),
    of("sweep.repair_seconds", Trust::Stricter, TIME),
    of(
        "environment.transformers",
        Trust::Own,
        "names a library that is installed and imported",
    ),
    of(
        "environment.python",
        Trust::Own,
        "names a program that is started",
    )
    .form(Form::Program),
    of(
        "environment.uv",
        Trust::Own,
        "names a program that is started",
    )
    .form(Form::Program),
    of(
        "environment.cache_dir",
        Trust::Own,
        "names the cache that programs are started from",
    )
    .form(Form::Path),
    of(
        "sandbox.enabled",
        Trust::Stricter,
        "says whether generated code must be confined",
    ),
    of("log.format", Trust::Any, "says how log lines look"),
    of("log.level", Trust::Any, "says which log lines are shown"),
    of(
        "ledger.dir",
        Trust::Inside,
        "names a folder that is written to",
    )
    .form(Form::Path),
    of(
        "llm.use",
        Trust::Own,
        "names an endpoint that is sent source and your key",
    ),
    of(
        "llm.model",
        Trust::Own,
        "says which model is asked and paid for",
    ),
    of(
        "llm.small",
        Trust::Own,
        "says what a language model is shown",
    ),
    of("llm.questions", Trust::Own, SPENT),
    of("llm.tokens", Trust::Own, SPENT),
    of("llm.seconds", Trust::Own, SPENT),
    of("llm.dollars", Trust::Own, SPENT),
    of(
        "llm.prices",
        Trust::Own,
        "names the prices by which spending is counted",
    )
    .form(Form::Path),
];

/// A known setting.
pub(super) fn declared(key: &str) -> Option<&'static Declared> {
    DECLARED.iter().find(|declared| declared.key == key)
}

/// Why a file in a working folder may not give `key` this value; `None` where it may. `now` is the value in force.
pub(super) fn refusal(key: &str, now: &Value, asked: &Value, file: &Path) -> Option<String> {
    let Some(setting) = declared(key) else {
        return Some("it is not known what it decides".to_owned());
    };
    let decides = setting.decides;
    match setting.trust {
        Trust::Any => None,
        // What is in force already is no choice: the whole defaults may stand in a file.
        Trust::Own => (now != asked).then(|| format!("it {decides}")),
        Trust::Stricter => weaker(now, asked)
            .then(|| format!("it {decides}, and `{asked}` is weaker than the `{now}` in force")),
        Trust::Inside => outside(asked, file).map(|why| format!("it {decides}, and {why}")),
    }
}

/// Whether a value gives more freedom than the one in force. A value of the wrong kind is refused for that elsewhere.
fn weaker(now: &Value, asked: &Value) -> bool {
    match (now, asked) {
        (Value::Integer(now), Value::Integer(asked)) => asked > now,
        (Value::Boolean(now), Value::Boolean(asked)) => *now && !asked,
        _ => false,
    }
}

/// What leads out of the folder of `file`: a path that says so, or a link on the way.
fn outside(asked: &Value, file: &Path) -> Option<String> {
    let text = asked.as_str()?;
    let mut path = file.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(text).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => path.push(part),
            _ => return Some(format!("`{text}` leads out of the folder of the file")),
        }
        if path.is_symlink() {
            return Some(format!("`{text}` leads through a link"));
        }
    }
    None
}

#[cfg(test)]
mod tests;
