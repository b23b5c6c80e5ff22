//! The page of the reference is the table: written out here, and compared with what the docs hold.

use std::fmt::Write as _;
use std::path::Path;

use super::super::seccomp::{FCNTL, IOCTL, PRCTL};
use super::*;

/// What the user reads about a ruling.
fn words(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Allowed => "allowed",
        Ruling::Refused => "refused",
        Ruling::Absent => "absent",
        Ruling::Unsupported => "unsupported",
        Ruling::Ignored => "without effect",
        Ruling::Metadata => "strong: allowed; weak: without effect",
        Ruling::Truncate => "allowed; weak with Landlock 1 or 2: refused",
        Ruling::OpenFlags { .. } => {
            "allowed; weak with Landlock 1 or 2: not with `O_TRUNC` for reading only"
        }
        Ruling::OpenHow => "allowed; weak with Landlock 1 or 2: absent",
        Ruling::Signals => {
            "allowed, and kept inside by another wall; weak with Landlock before 6: to the first process only"
        }
        Ruling::Own => "for 0 and for the first process's own number",
        Ruling::Priority => "for one process: 0, or the first process's own number",
        Ruling::Clone => "without flags of namespaces",
        Ruling::SocketPair => "Unix streams and sequenced packets",
        Ruling::Fcntl => "the commands below",
        Ruling::Ioctl => "the operations below",
        Ruling::Prctl => "the options below",
        Ruling::Personality => "to ask, and to set 0",
    }
}

fn page() -> String {
    let mut page = String::from(
        "# System calls\n\n\
         What a job may do with each system call of Linux, and why. This page is the table that the filter is built \
         from\n(`sandbox/cage/linux/table.rs`); a test compares the two. The filter is the same in both modes but \
         where a line\nsays otherwise: *strong* is `namespaces+landlock+seccomp`, *weak* is `landlock+seccomp` (see \
         [the sandbox](../sandbox.md)).\n\n\
         - *allowed*: seccomp lets it through; Landlock, the namespaces, the limits and the kernel's own rules still \
         hold.\n\
         - *refused*: `EPERM`. *absent*: `ENOSYS`. *unsupported*: `EOPNOTSUPP`. *without effect*: success, and \
         nothing happens.\n",
    );
    let _ = write!(
        page,
        "- A number above {NEWEST}, the newest that was looked at, is absent: a later kernel brings a job nothing \
         that nobody has\n  reviewed. Calls of another architecture, 32-bit and x32 ones included, end the job.\n\n\
         | group | calls | what a job may do | why |\n|---|---|---|---|\n"
    );
    for group in GROUPS {
        let calls: Vec<&str> = group.calls.iter().map(|call| call.name).collect();
        let _ = writeln!(
            page,
            "| {} | `{}` | {} | {} |",
            group.name,
            calls.join("` `"),
            words(group.ruling),
            group.reason
        );
    }
    page.push_str("\n## Calls with a list\n\nEverything else is refused.\n\n");
    for (call, named) in [("fcntl", FCNTL), ("ioctl", IOCTL), ("prctl", PRCTL)] {
        let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
        let _ = writeln!(page, "- `{call}`: `{}`", names.join("` `"));
    }
    page
}

#[test]
fn the_reference_shows_the_table() {
    let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/syscalls.md");
    let wanted = page();
    if std::fs::read_to_string(&shown).ok().as_deref() != Some(&wanted) {
        let folder = tempfile::tempdir().unwrap().keep();
        let written = folder.join("syscalls.md");
        std::fs::write(&written, wanted).unwrap();
        panic!(
            "docs/reference/syscalls.md is not the table; copy {} there",
            written.display()
        );
    }
}

#[test]
fn no_group_breaks_the_page() {
    for group in GROUPS {
        for text in [group.name, group.reason, words(group.ruling)] {
            assert!(!text.contains(['|', '\n']), "{text}");
        }
    }
}
