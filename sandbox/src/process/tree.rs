//! The processes below a supervisor, read from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// One process as seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub pid: i32,
    pub parent: i32,
    /// Resident pages, shared ones included.
    pub resident_pages: u64,
    /// User and system time, of the process and of the children it has waited for, in clock ticks.
    pub ticks: u64,
    /// It has ended and only waits to be reaped.
    pub dead: bool,
}

/// The resident bytes of a process and of all below it. What several of them share is counted once, where the system tells.
pub(crate) fn resident_bytes_of_tree(top: i32) -> u64 {
    let proc = Proc::default();
    // SAFETY: a plain question to the C library, without a pointer.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let processes = proc.process(top).into_iter().chain(proc.descendants(top));
    processes
        .map(|process| {
            let shared_once = proc.proportional_bytes(process.pid);
            shared_once.unwrap_or(process.resident_pages * page)
        })
        .sum()
}

/// Reads trees below a root, which is `/proc` outside tests.
#[derive(Debug)]
pub(super) struct Proc {
    root: PathBuf,
}

impl Default for Proc {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/proc"),
        }
    }
}

impl Proc {
    /// Every descendant of `supervisor`, parents before their children, the supervisor itself not among them.
    ///
    /// Processes that come or go during the look may be missed; the next look sees them, for the supervisor inherits
    /// whatever is orphaned below it.
    pub fn descendants(&self, supervisor: i32) -> Vec<Process> {
        self.by_children(supervisor)
            .unwrap_or_else(|| self.by_scan(supervisor))
    }

    /// Follows the lists of children that most kernels keep; `None` where this one does not.
    fn by_children(&self, supervisor: i32) -> Option<Vec<Process>> {
        let supervisor_lists = self.child_lists(supervisor);
        if supervisor_lists.is_empty()
            && self
                .root
                .join(format!("{supervisor}/task/{supervisor}"))
                .exists()
        {
            return None;
        }
        let mut found: Vec<Process> = Vec::new();
        let mut children = supervisor_lists.concat();
        let mut next = 0;
        loop {
            found.extend(children.into_iter().filter_map(|pid| self.process(pid)));
            let Some(process) = found.get(next) else {
                return Some(found);
            };
            children = self.child_lists(process.pid).concat();
            next += 1;
        }
    }

    /// The children of each thread of a process.
    fn child_lists(&self, pid: i32) -> Vec<Vec<i32>> {
        let Ok(threads) = fs::read_dir(self.root.join(format!("{pid}/task"))) else {
            return Vec::new();
        };
        threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
            .map(|list| {
                list.split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect()
            })
            .collect()
    }

    /// Reads every process of the system and keeps those below the supervisor.
    fn by_scan(&self, supervisor: i32) -> Vec<Process> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        let mut by_parent: HashMap<i32, Vec<Process>> = HashMap::new();
        for pid in entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        {
            if let Some(process) = self.process(pid) {
                by_parent.entry(process.parent).or_default().push(process);
            }
        }
        let mut found = by_parent.remove(&supervisor).unwrap_or_default();
        let mut next = 0;
        while let Some(process) = found.get(next) {
            let children = by_parent.remove(&process.pid).unwrap_or_default();
            found.extend(children);
            next += 1;
        }
        found
    }

    /// Reads one process; `None` when it is gone.
    pub fn process(&self, pid: i32) -> Option<Process> {
        parse_stat(
            pid,
            &fs::read_to_string(self.root.join(format!("{pid}/stat"))).ok()?,
        )
    }

    /// Whether the process is the init of a pid namespace of its own, as seen from this one.
    pub fn is_namespace_init(&self, pid: i32) -> bool {
        let Ok(status) = fs::read_to_string(self.root.join(format!("{pid}/status"))) else {
            return false;
        };
        status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .is_some_and(|pids| {
                pids.split_whitespace().count() > 1 && pids.split_whitespace().last() == Some("1")
            })
    }

    /// The proportional set of a process in bytes; `None` when it is gone or hides itself.
    pub fn proportional_bytes(&self, pid: i32) -> Option<u64> {
        let rollup = fs::read_to_string(self.root.join(format!("{pid}/smaps_rollup"))).ok()?;
        let kibibytes: u64 = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))?
            .trim_end_matches("kB")
            .trim()
            .parse()
            .ok()?;
        Some(kibibytes * 1024)
    }
}

/// Reads a line of `/proc/PID/stat`. The name in brackets may hold anything, closing brackets included.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        resident_pages: number(21)?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        dead: matches!(*fields.first()?, "Z" | "X"),
    })
}

/// Where a test keeps its own `/proc`.
#[cfg(test)]
impl Proc {
    fn at(root: &std::path::Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn add(root: &Path, pid: i32, parent: i32, children: Option<&str>) {
        let task = root.join(format!("{pid}/task/{pid}"));
        fs::create_dir_all(&task).unwrap();
        fs::write(
            root.join(format!("{pid}/stat")),
            format!("{pid} (a) b) S {parent} 0 0 0 0 0 0 0 0 0 1 2 3 4 20 0 1 0 0 0 7 0"),
        )
        .unwrap();
        if let Some(children) = children {
            fs::write(task.join("children"), children).unwrap();
        }
    }

    fn pids(processes: &[Process]) -> Vec<i32> {
        processes.iter().map(|process| process.pid).collect()
    }

    #[test]
    fn the_lists_of_children_lead_to_every_descendant() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), 10, 1, Some("11 12 "));
        add(root.path(), 11, 10, Some("13 "));
        add(root.path(), 12, 10, Some(""));
        add(root.path(), 13, 11, Some(""));
        add(root.path(), 99, 1, Some(""));
        assert_eq!(pids(&Proc::at(root.path()).descendants(10)), [11, 12, 13]);
    }

    #[test]
    fn a_kernel_without_lists_of_children_is_scanned() {
        let root = tempfile::tempdir().unwrap();
        for (pid, parent) in [(10, 1), (11, 10), (13, 11), (99, 1)] {
            add(root.path(), pid, parent, None);
        }
        assert_eq!(pids(&Proc::at(root.path()).descendants(10)), [11, 13]);
    }

    #[test]
    fn a_name_full_of_brackets_does_not_shift_the_figures() {
        let root = tempfile::tempdir().unwrap();
        add(root.path(), 11, 10, None);
        let process = Proc::at(root.path()).process(11).unwrap();
        assert_eq!(
            process,
            Process {
                pid: 11,
                parent: 10,
                resident_pages: 7,
                ticks: 10,
                dead: false
            }
        );
    }

    #[test]
    fn a_process_that_is_gone_has_no_descendants() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Proc::at(root.path()).descendants(10), []);
    }

    #[test]
    fn only_an_init_of_another_namespace_is_left_out_of_the_count() {
        let root = tempfile::tempdir().unwrap();
        for (pid, line) in [
            (1, "NSpid:\t1"),
            (20, "NSpid:\t20\t1"),
            (21, "NSpid:\t21\t2"),
        ] {
            add(root.path(), pid, 0, None);
            fs::write(
                root.path().join(format!("{pid}/status")),
                format!("Name:\tx\n{line}\n"),
            )
            .unwrap();
        }
        let proc = Proc::at(root.path());
        assert_eq!(
            [1, 20, 21].map(|pid| proc.is_namespace_init(pid)),
            [false, true, false]
        );
    }
}
