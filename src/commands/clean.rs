//! `portwright clean`: gives back the disk that no verdict needs.
//!
//! Three kinds of things go:
//!
//! - **work**: the files of the steps of runs that have ended, and of those whose process is gone. A run that was killed and
//!   is launched again then does again what needs those files; what it knows from the ledger it still knows.
//! - **log**: what jobs and workers printed, where it was last written before `--keep`.
//! - **artefact**: files of the store that no record names.
//!
//! Records stay: runs, events, verdicts and the digests in them. A run that a process works on is left alone, and so are logs
//! and artefacts while any is: what it has stored, it may not have recorded yet.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, SystemTime},
};

use clap::Args as ClapArgs;
use portwright_core::RunId;
use portwright_ledger::{Alone, Ledger, LedgerError, RunLock};
use portwright_sandbox::{folder, process::measure};
use serde::Serialize;
use serde_json::json;

use crate::{error::CliError, exit, output, settings::Settings};

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Keep logs that are younger, e.g. `7d`, `12h`, `30m`; `0d` keeps none.
    #[arg(long, value_name = "AGE", default_value = "7d")]
    pub keep: Age,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The ledger's folder.
    #[arg(long, value_name = "DIR")]
    pub ledger: Option<PathBuf>,
    /// One JSON document on stdout.
    #[arg(long)]
    pub json: bool,
}

/// A time back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age(Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("`{text}` is no age: write days, hours or minutes, such as 7d, 12h or 30m");
        let unit = text.chars().next_back().ok_or_else(wrong)?;
        let seconds = match unit {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            _ => return Err(wrong()),
        };
        let count: u64 = text
            .strip_suffix(unit)
            .and_then(|n| n.parse().ok())
            .ok_or_else(wrong)?;
        let seconds = count.checked_mul(seconds).ok_or_else(wrong)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// What goes, or would go.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Item {
    kind: &'static str,
    path: PathBuf,
    bytes: u64,
}

/// What stays although it is of a kind that goes.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Left {
    what: String,
    why: String,
}

pub fn run(args: &Args, settings: &Settings) -> Result<u8, CliError> {
    let ledger = Ledger::open(args.ledger.as_deref().unwrap_or(&settings.ledger.dir))?;
    let mut clean = Clean {
        ledger: &ledger,
        dry_run: args.dry_run,
        items: Vec::new(),
        left: Vec::new(),
    };
    clean.work()?;
    // Runs hold their locks one after the other above; here none may be worked on.
    match Alone::try_acquire(ledger.folder())? {
        Some(_alone) => {
            clean.logs(args.keep)?;
            clean.store()?;
        }
        None => clean.left.push(Left {
            what: "logs and artefacts".to_owned(),
            why: "a run is being worked on".to_owned(),
        }),
    }
    report(args, &clean)?;
    Ok(exit::PASSED)
}

struct Clean<'a> {
    ledger: &'a Ledger,
    dry_run: bool,
    items: Vec<Item>,
    left: Vec<Left>,
}

impl Clean<'_> {
    /// The folders of runs that nobody works on.
    fn work(&mut self) -> Result<(), CliError> {
        for path in children(&self.ledger.folder().join("work"))? {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some(run) = self.ledger.run(&RunId::new(&name))? else {
                // Not of a run: the folder of a job that reads the library, named by its process.
                if is_alive(&name) {
                    self.leave(name, "its process is at work".to_owned());
                } else {
                    self.remove("work", path)?;
                }
                continue;
            };
            match RunLock::try_acquire(self.ledger.folder(), &run.key) {
                Ok(_lock) => self.remove("work", path)?,
                Err(LedgerError::Locked { holder, .. }) => {
                    let by = holder
                        .map(|pid| format!(" by process {pid}"))
                        .unwrap_or_default();
                    self.leave(name, format!("it is being worked on{by}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn logs(&mut self, keep: Age) -> Result<(), CliError> {
        let before = SystemTime::now().checked_sub(keep.0);
        for path in children(&self.ledger.folder().join("logs"))? {
            let written = fs::symlink_metadata(&path)
                .and_then(|log| log.modified())
                .map_err(|error| failed(&path, &error))?;
            if before.is_some_and(|before| written <= before) {
                self.remove("log", path)?;
            }
        }
        Ok(())
    }

    fn store(&mut self) -> Result<(), CliError> {
        for file in self.ledger.unneeded()? {
            self.remove("artefact", file.path)?;
        }
        Ok(())
    }

    fn remove(&mut self, kind: &'static str, path: PathBuf) -> Result<(), CliError> {
        let found = fs::symlink_metadata(&path).map_err(|error| failed(&path, &error))?;
        let bytes = if found.is_dir() {
            measure(&path).bytes
        } else {
            found.len()
        };
        if !self.dry_run {
            folder::remove(&path).map_err(|error| failed(&path, &error))?;
        }
        self.items.push(Item { kind, path, bytes });
        Ok(())
    }

    fn leave(&mut self, what: String, why: String) {
        self.left.push(Left { what, why });
    }
}

/// What lies in a folder, by name; nothing where there is none.
fn children(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| failed(folder, &error))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.push(entry.map_err(|error| failed(folder, &error))?.path());
    }
    found.sort();
    Ok(found)
}

/// Whether the process that a name ends with is there. One that came after it only has the folder stay.
fn is_alive(name: &str) -> bool {
    name.rsplit('-')
        .next()
        .and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::new(
        exit::STORAGE,
        format!("{}: {error}", path.display()),
        Some("check that the folder is yours and that you may write to it".to_owned()),
    )
}

fn report(args: &Args, clean: &Clean<'_>) -> Result<(), CliError> {
    let total: u64 = clean.items.iter().map(|item| item.bytes).sum();
    if args.json {
        return output::json(&json!({
            "schema": 1,
            "dry_run": args.dry_run,
            "items": clean.items,
            "left": clean.left,
            "bytes": total,
        }));
    }
    for item in &clean.items {
        output::line(&format!(
            "{:<9} {:>10}  {}",
            item.kind,
            size(item.bytes),
            item.path.display()
        ))?;
    }
    for left in &clean.left {
        output::line(&format!("left      {}: {}", left.what, left.why))?;
    }
    let counted: Vec<String> = ["work", "log", "artefact"]
        .into_iter()
        .map(|kind| {
            let of = || clean.items.iter().filter(|item| item.kind == kind);
            let bytes = of().map(|item| item.bytes).sum();
            format!("{} {kind} ({})", of().count(), size(bytes))
        })
        .collect();
    let verb = if args.dry_run {
        "would be removed"
    } else {
        "removed"
    };
    output::line(&format!("{verb}: {}: {}", counted.join(", "), size(total)))
}

/// A size for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_a_unit() {
        let age = |text: &str| text.parse::<Age>().map(|age| age.0.as_secs());
        assert_eq!(age("7d"), Ok(604_800));
        assert_eq!(age("12h"), Ok(43_200));
        assert_eq!(age("0d"), Ok(0));
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "7 d",
            "7y",
            "7\u{b5}",
            "999999999999999999999d",
        ] {
            assert!(age(wrong).unwrap_err().contains("7d"), "{wrong}");
        }
    }

    #[test]
    fn a_folder_named_by_a_living_process_is_told_from_others() {
        assert!(is_alive(&format!("catalogue-{}", std::process::id())));
        assert!(!is_alive("catalogue-4294967295"));
        assert!(!is_alive("catalogue"));
    }
}
