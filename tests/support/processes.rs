//! Runs that go on beside the test, and what is left of them.

use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Output, Stdio},
};

use portwright_core::event::{Event, Record};
use portwright_ledger::{Ledger, Run};

use super::{Place, binary, until};

/// A process, told from a later one with the same number by the time of its start.
type Process = (u32, String);

impl Place {
    /// Starts `portwright run` and does not wait for it.
    pub fn start(&self, args: &[&str]) -> Child {
        Command::new(binary())
            .arg("run")
            .args(args)
            .current_dir(self.root.path())
            .env_remove("RUST_LOG")
            .env("XDG_CONFIG_HOME", self.path("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The runs in this folder's ledger, the latest first.
    pub fn runs(&self) -> Vec<Run> {
        if !self.path(".portwright/ledger.sqlite").exists() {
            return Vec::new();
        }
        Ledger::open(self.path(".portwright"))
            .unwrap()
            .runs()
            .unwrap()
    }

    /// The events of the only run in this folder's ledger; none where it has not begun.
    pub fn events(&self) -> Vec<Record> {
        let runs = self.runs();
        assert!(runs.len() < 2, "{runs:?}");
        let ledger = Ledger::open(self.path(".portwright")).unwrap();
        runs.first()
            .map_or_else(Vec::new, |run| ledger.events(&run.id).unwrap())
    }

    /// Starts `portwright run`, waits until its events are as `ripe` says, and kills it with SIGKILL. What it had
    /// started must end with it. Answers with how the run ended, for it may have been faster.
    pub fn kill_when(&self, args: &[&str], what: &str, ripe: impl Fn(&[Record]) -> bool) -> Output {
        let mut child = self.start(args);
        until(what, || {
            let over = child.try_wait().unwrap().is_some();
            (over || ripe(&self.events())).then_some(())
        });
        let family = family(child.id());
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        until("the workers of a killed run end", || {
            let left = family.intersection(&living()).count();
            (left == 0).then_some(())
        });
        output
    }
}

/// How often the step was done and not found finished.
pub fn done(events: &[Record], name: &str) -> usize {
    events
        .iter()
        .filter(|record| {
            matches!(&record.event, Event::StepFinished { step, reused: false, .. } if step == name)
        })
        .count()
}

/// Whether the last thing that happened is that this step began.
pub fn at_work(events: &[Record], name: &str) -> bool {
    matches!(events.last(), Some(Record { event: Event::StepStarted { step, .. }, .. }) if step == name)
}

/// A process and everything that it started, directly or not.
fn family(root: u32) -> BTreeSet<Process> {
    let all = processes();
    let mut members = BTreeSet::from([root]);
    loop {
        let before = members.len();
        members.extend(
            all.iter()
                .filter(|(_, parent, _)| members.contains(parent))
                .map(|(pid, _, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if members.len() == before {
            break;
        }
    }
    all.into_iter()
        .filter(|(pid, _, _)| members.contains(pid))
        .map(|(pid, _, start)| (pid, start))
        .collect()
}

fn living() -> BTreeSet<Process> {
    processes()
        .into_iter()
        .map(|(pid, _, start)| (pid, start))
        .collect()
}

/// Number, parent and start of every process that has not ended.
fn processes() -> Vec<(u32, u32, String)> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid = entry.unwrap().file_name().to_str()?.parse().ok()?;
            // It may end between the two looks.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The second field, the name, may hold anything, a parenthesis too.
            let fields: Vec<_> = stat[stat.rfind(')')? + 2..].split(' ').collect();
            let zombie = matches!(fields[0], "Z" | "X");
            (!zombie).then(|| (pid, fields[1].parse().unwrap(), fields[19].to_owned()))
        })
        .collect()
}
