//! The other side of [`CagedCommand`](super::CagedCommand): a fresh process that cages itself and becomes the command.
//!
//! Rust may not run much code between `fork` and `exec` in a program with threads. So the program starts *itself*, and
//! this entry, single-threaded and with nothing loaded, enters the cage at leisure.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::isolation::{Policy, enter};

/// The hidden subcommand that a program's `main` hands to [`caged_main`].
pub const CAGED: &str = "__caged";

/// The exit code when the command was not started; the report says why.
const NOT_STARTED: i32 = 125;

/// Enters the cage and becomes the command. `args` are what follows [`CAGED`]:
///
/// ```text
/// portwright __caged POLICY REPORT -- COMMAND [ARGUMENT]...
/// ```
///
/// `POLICY` holds the text of a [`Policy`]; what came of it is written to `REPORT`, which is opened before the walls go
/// up, closed before the command begins, and out of its reach: a line `caged`, `refused` or `not started`, then the
/// mode or the reason.
pub fn caged_main(args: impl IntoIterator<Item = OsString>) -> ! {
    let mut args = args.into_iter();
    let (Some(policy), Some(report), Some(_), Some(program)) =
        (args.next(), args.next(), args.next(), args.next())
    else {
        eprintln!("usage: {CAGED} POLICY REPORT -- COMMAND [ARGUMENT]...");
        std::process::exit(NOT_STARTED);
    };
    let mut report = match OpenOptions::new().append(true).create(true).open(&report) {
        Ok(report) => report,
        Err(error) => {
            eprintln!(
                "cannot open the cage's report {}: {error}",
                Path::new(&report).display()
            );
            std::process::exit(NOT_STARTED);
        }
    };
    let entered = fs::read_to_string(&policy)
        .map_err(|error| format!("cannot read {}: {error}", Path::new(&policy).display()))
        .and_then(|text| Policy::parse(&text).map_err(|error| error.to_string()))
        .and_then(|mut policy| {
            policy.keep_fds.push(report.as_raw_fd());
            enter(&policy).map_err(|error| format!("{error}\nhint: {}", error.hint()))
        });
    let reported = match &entered {
        Ok(mode) => report.write_all(format!("caged\n{mode}\n").as_bytes()),
        Err(reason) => report.write_all(format!("refused\n{reason}\n").as_bytes()),
    };
    if entered.is_ok() && reported.is_ok() {
        let error = Command::new(&program).args(args).exec();
        let told = report.write_all(
            format!("not started\n{}: {error}\n", Path::new(&program).display()).as_bytes(),
        );
        if told.is_err() {
            eprintln!("cannot start {}: {error}", Path::new(&program).display());
        }
    }
    std::process::exit(NOT_STARTED);
}
