//! `portwright setup`: fetches what some backends need beside the Python environment.
//!
//! Each component is fetched once, through its package registry and by that registry's own client, with every package pinned
//! by a hash in the program. Without a name the components are listed, with the backends that need each. The Python
//! environment is no component: a run builds it where it is not there.

use std::io::IsTerminal as _;

use clap::Args as ClapArgs;
use portwright_core::Backend;
use portwright_sandbox::environment::{Component, Installed};
use serde_json::{Value, json};

use crate::{
    error::CliError,
    exit, output,
    report::{live::Live, table::Style},
    session::Progress as _,
    settings::Settings,
};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The components to fetch, e.g. `web`.
    #[arg(value_name = "COMPONENT", value_parser = named)]
    pub components: Vec<&'static Component>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

fn named(name: &str) -> Result<&'static Component, String> {
    Component::named(name).ok_or_else(|| {
        let known: Vec<&str> = Component::ALL.iter().map(|it| it.name).collect();
        format!("the components are {}", known.join(", "))
    })
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let options = settings.environment_options()?;
    let style = Style { colour: false };
    let live = Live::new(std::io::stderr().is_terminal(), args.json, style);
    for component in &args.components {
        component.install(&options, &mut |progress| live.doing(&progress.to_string()))?;
    }
    live.finish();
    let asked = |component: &&Component| {
        args.components.is_empty() || args.components.iter().any(|it| it.name == component.name)
    };
    let shown: Vec<&Component> = Component::ALL.iter().filter(asked).collect();
    let installed = |component: &Component| component.open(&options.cache_dir);
    if args.json {
        let components: Vec<Value> = (shown.iter())
            .map(|component| document(component, installed(component).as_ref()))
            .collect();
        output::json(&json!({ "schema": 1, "components": components }))?;
    } else {
        for component in shown {
            output::line(&line(component, installed(component).as_ref()))?;
        }
    }
    Ok(exit::PASSED)
}

fn needed_by(component: &Component) -> Vec<&'static str> {
    Backend::all()
        .filter(|backend| backend.spec().component.as_deref() == Some(component.name))
        .map(Backend::as_str)
        .collect()
}

fn document(component: &Component, installed: Option<&Installed>) -> Value {
    json!({
        "name": component.name,
        "about": component.about,
        "backends": needed_by(component),
        "version": installed.map(|it| &it.version),
        "folder": installed.map(|it| &it.root),
    })
}

fn line(component: &Component, installed: Option<&Installed>) -> String {
    let state = match installed {
        Some(installed) => format!("{} in {}", installed.version, installed.root.display()),
        None => format!("not installed: portwright setup {}", component.name),
    };
    format!(
        "{:<10} {} (for {})\n{:<10} {state}",
        component.name,
        component.about,
        needed_by(component).join(", "),
        ""
    )
}
