//! A launcher for caged commands and the workers of the backends, and nothing else, for the tests of this crate;
//! `portwright` itself is all of it too.

use std::path::Path;

use portwright_sandbox::{
    backends::worker_main,
    process::{CAGED, caged_main},
};

fn main() {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    if first.as_ref().is_some_and(|first| first == CAGED) {
        caged_main(args);
    }
    let code = first
        .zip(args.next())
        .and_then(|(worker, request)| worker_main(&worker, Path::new(&request)));
    if let Some(code) = code {
        std::process::exit(code);
    }
    eprintln!(
        "this program only runs as `portwright-caged {CAGED} POLICY REPORT -- COMMAND` or as a worker, `portwright-caged WORKER REQUEST`"
    );
    std::process::exit(2);
}
