//! Looks for everything that a run needs, in the order in which the report shows it.

use std::process::Command;

use portwright_core::Backend;
use portwright_sandbox::{
    backends::{self, Places},
    environment::{Environment, EnvironmentError, Interpreter, Options, Spec, Uv, free_bytes},
    isolation::Probe,
};

use super::{
    devices,
    report::{Item, Report, SCHEMA, State},
};
use crate::settings::Settings;

/// The backends of the design; those that are not in the table of backends come later.
const DESIGN: [&str; 4] = ["torch-cuda", "libtorch", "coreml", "executorch"];

/// Looks at this machine.
pub fn look(settings: &Settings, walls: &Probe) -> Report {
    let setup = settings
        .environment_options()
        .and_then(|options| Ok((options, settings.environment_spec(None)?)));
    let (tools, environment, found, machine) = match &setup {
        Ok((options, spec)) => look_with(settings, options, spec),
        Err(error) => {
            let failed = failure("environment", error);
            (
                vec![git()],
                vec![failed],
                None,
                memory(settings).into_iter().collect(),
            )
        }
    };
    let sandbox = sandbox(settings, walls);
    // A run builds what is pending; what is absent it cannot provide. Git is a convenience only.
    let needed = tools.iter().filter(|item| item.name != "git");
    let space = machine.iter().filter(|item| item.name == "disk");
    let built = found.is_some();
    let environment_ready = environment.iter().all(|item| item.state != State::Absent)
        && (built || needed.chain(space).all(|item| item.state != State::Absent));
    let sandbox_ready = sandbox
        .iter()
        .all(|item| item.name != "mode" || item.state == State::Present);
    let cache = setup
        .as_ref()
        .map(|(options, _)| options.cache_dir.as_path());
    let places = found.as_ref().zip(cache.ok());
    let places = places.map(|(environment, cache)| Places { environment, cache });
    let backends = backends(environment_ready, places);
    let asked_absent = backends.iter().any(|item| {
        let asked = settings
            .run
            .backends
            .iter()
            .any(|backend| backend.as_str() == item.name);
        asked && item.state == State::Absent
    });
    let environment_ready = environment_ready && !asked_absent;
    Report {
        schema: SCHEMA,
        ready: environment_ready && sandbox_ready,
        environment_ready,
        sandbox_ready,
        tools,
        environment,
        sandbox,
        backends,
        devices: devices::devices(),
        machine,
    }
}

type Looked = (Vec<Item>, Vec<Item>, Option<Environment>, Vec<Item>);

fn look_with(settings: &Settings, options: &Options, spec: &Spec) -> Looked {
    let python = Interpreter::find(options);
    let tools = vec![
        python_item(&python),
        uv_item(options, python.as_ref().ok()),
        git(),
    ];
    let (item, found) = match Environment::open(spec, options) {
        Ok(Some(found)) => (environment_item(&found), Some(found)),
        Ok(None) => {
            let detail = format!(
                "not built yet; `portwright run` builds it in {}",
                options.environments().display()
            );
            (Item::pending("environment", detail), None)
        }
        Err(error) => (failure("environment", &error), None),
    };
    let mut machine = vec![disk(options, found.is_some())];
    machine.extend(memory(settings));
    (tools, vec![item], found, machine)
}

fn python_item(python: &Result<Interpreter, EnvironmentError>) -> Item {
    match python {
        Ok(python) => Item::present(
            "python",
            format!("{} ({})", python.version, python.executable.display()),
        ),
        Err(error) => failure("python", error),
    }
}

fn uv_item(options: &Options, python: Option<&Interpreter>) -> Item {
    match Uv::find(options) {
        Ok(Some(uv)) => Item::present("uv", format!("{} ({})", uv.version, uv.path.display())),
        Ok(None) if python.is_some_and(|python| python.has_venv(options)) => Item::pending(
            "uv",
            "not installed; `portwright run` fetches it into the cache folder",
        ),
        Ok(None) => Item::absent(
            "uv",
            "not installed, and there is no Python with the venv module to fetch it",
        )
        .hint("install uv and put it on PATH, or Python's venv module (Debian: python3-venv)"),
        Err(error) => failure("uv", &error),
    }
}

fn git() -> Item {
    match Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Item::present(
                "git",
                text.trim().trim_start_matches("git version ").to_owned(),
            )
        }
        Ok(output) => Item::absent(
            "git",
            format!("`git --version` ended with {}", output.status),
        ),
        Err(error) => Item::absent("git", format!("cannot be started: {error}")),
    }
    .map_absent_hint("Portwright commits without it; install it to look at what was committed")
}

fn environment_item(environment: &Environment) -> Item {
    let version = |package| environment.version(package).unwrap_or("none").to_owned();
    let detail = format!(
        "Python {}, torch {}, transformers {} ({})",
        environment.python_version,
        version("torch"),
        version("transformers"),
        environment.root.display()
    );
    Item::present("environment", detail)
}

fn sandbox(settings: &Settings, walls: &Probe) -> Vec<Item> {
    let mode = match (&walls.mode, settings.sandbox.enabled) {
        (_, false) => Item::present("mode", "none: the settings switch the sandbox off, and every verdict says so"),
        (Ok(mode), true) => Item::present("mode", mode.name()),
        (Err(reason), true) => Item::absent("mode", reason.as_str())
            .hint("run on a kernel with Landlock and seccomp, or with --no-sandbox if you trust the generated code"),
    };
    let wall = |name: &str, found: Result<String, &String>| match found {
        Ok(detail) => Item::present(name, detail),
        Err(reason) => Item::absent(name, reason.as_str()),
    };
    vec![
        mode,
        wall(
            "landlock",
            walls
                .kernel
                .landlock
                .as_ref()
                .map(|version| format!("version {version}")),
        ),
        wall(
            "seccomp",
            walls.kernel.seccomp.as_ref().map(|()| "works".into()),
        ),
        wall(
            "user-namespaces",
            walls.kernel.namespaces.as_ref().map(|()| "granted".into()),
        ),
    ]
}

/// Every backend of the design: those of this version from the environment, the later ones with the plain reason.
fn backends(environment_ready: bool, places: Option<Places<'_>>) -> Vec<Item> {
    let implemented = Backend::all().map(|backend| match (places, &backend.spec().component) {
        (Some(places), _) => backend_item(backend, places),
        (None, Some(component)) => Item::absent(
            backend.as_str(),
            format!(
                "needs the Python environment, which is not there, and the component `{component}`"
            ),
        )
        .hint(format!("portwright setup {component}")),
        (None, None) if environment_ready => Item::pending(
            backend.as_str(),
            "comes with the Python environment, which is not built yet",
        ),
        (None, None) => Item::absent(
            backend.as_str(),
            "needs the Python environment, which cannot be built here",
        ),
    });
    let later = later().map(|name| Item::absent(name, "not implemented yet"));
    implemented.chain(later).collect()
}

/// The backends of the design that this version cannot execute.
fn later() -> impl Iterator<Item = &'static str> {
    let missing = |name: &&str| name.parse::<Backend>().is_err();
    DESIGN.into_iter().filter(missing)
}

fn backend_item(backend: Backend, places: Places<'_>) -> Item {
    let name = backend.as_str();
    match backends::of(backend).probe(backend, places) {
        Ok(version) => Item::present(name, version),
        Err(absent) => Item::absent(name, absent.why).hint(absent.hint),
    }
}

fn disk(options: &Options, built: bool) -> Item {
    let folder = &options.cache_dir;
    match free_bytes(folder) {
        Ok(free) if built || free >= options.needed_bytes => Item::present(
            "disk",
            format!("{} MB free at {}", free / 1_000_000, folder.display()),
        ),
        Ok(free) => failure(
            "disk",
            &EnvironmentError::NoSpace {
                folder: folder.clone(),
                needed: options.needed_bytes,
                free,
            },
        ),
        Err(error) => failure("disk", &error),
    }
}

fn memory(settings: &Settings) -> Option<Item> {
    let (total, available) = devices::memory_mb()?;
    let limit = settings.run.memory_limit_mib.get();
    let item = Item::present(
        "memory",
        format!("{total} MB, {available} MB available; a job may use {limit} MB"),
    );
    Some(if available < limit {
        item.hint("close something, or lower `run.memory_limit_mib`")
    } else {
        item
    })
}

fn failure(name: &str, error: &EnvironmentError) -> Item {
    Item::absent(name, error.to_string()).hint(error.hint())
}

impl Item {
    fn map_absent_hint(self, hint: &str) -> Self {
        match self.state {
            State::Absent => self.hint(hint),
            State::Present | State::Pending => self,
        }
    }
}

#[cfg(test)]
mod tests;
