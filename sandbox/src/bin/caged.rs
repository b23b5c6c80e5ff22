//! A launcher for caged commands and the worker of ONNX Runtime, and nothing else, for the tests of this crate;
//! `portwright` itself is both too.

use std::path::Path;

use portwright_sandbox::{
    backends::onnxruntime::{WORKER, worker_main},
    process::{CAGED, caged_main},
};

fn main() {
    let mut args = std::env::args_os().skip(1);
    let first = args.next();
    if first.as_ref().is_some_and(|first| first == CAGED) {
        caged_main(args);
    }
    if first.as_ref().is_some_and(|first| first == WORKER)
        && let Some(request) = args.next()
    {
        std::process::exit(worker_main(Path::new(&request)));
    }
    eprintln!(
        "this program only runs as `portwright-caged {CAGED} POLICY REPORT -- COMMAND` or `portwright-caged {WORKER} REQUEST`"
    );
    std::process::exit(2);
}
