//! PyTorch, ONNX Runtime, OpenVINO and Node run behind the walls, with threads of their own choosing: a table of
//! system calls that left one of theirs out would show here.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{fs::File, io::Read as _, path::Path, time::Duration};

use portwright_sandbox::environment::{
    Asked, Component, Environment, EnvironmentError, Installed, Options,
};
use portwright_sandbox::isolation::{Mode, Policy, default_read_paths, probe};
use portwright_sandbox::process::{CagedCommand, Limits, Outcome};

fn the_stack_runs(mode: Mode) {
    assert_eq!(
        probe().mode,
        Ok(Mode::NamespacesLandlockSeccomp),
        "both modes can be tested only where the kernel grants namespaces"
    );
    let environment = Environment::locked().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/stack.py");
    let work = tempfile::tempdir().unwrap();
    let mut policy = Policy::new().read(&script).write(work.path());
    policy
        .read
        .extend(default_read_paths(&environment.readable));
    policy.forbid_namespaces = mode != Mode::NamespacesLandlockSeccomp;
    let (output, errors) = (work.path().join("output"), work.path().join("errors"));
    let finished = CagedCommand::new(
        env!("CARGO_BIN_EXE_portwright-caged"),
        &environment.python,
        work.path(),
        policy,
    )
    .arg("-B")
    .arg(&script)
    .env("HOME", work.path())
    .env("TMPDIR", work.path())
    .env("USER", "portwright")
    .env("PATH", "/usr/bin:/bin")
    .env("CI", "true")
    .limits(Limits {
        resident_bytes: 4096 << 20,
        wall: Duration::from_secs(300),
        cpu: Duration::from_secs(300),
        processes: 64,
        ..Limits::default()
    })
    .stdout(File::create(&output).unwrap())
    .stderr(File::create(&errors).unwrap())
    .run()
    .unwrap();
    let mut said = String::new();
    for path in [&output, &errors] {
        File::open(path).unwrap().read_to_string(&mut said).unwrap();
    }
    assert_eq!(
        (finished.outcome, finished.mode),
        (Outcome::Exited(0), mode),
        "{said}"
    );
    for library in ["torch", "torch compiled", "onnxruntime", "openvino"] {
        assert!(said.contains(&format!("{library}: right\n")), "{said}");
    }
}

#[test]
fn with_namespaces() {
    the_stack_runs(Mode::NamespacesLandlockSeccomp);
}

#[test]
fn without_namespaces() {
    the_stack_runs(Mode::LandlockSeccomp);
}

/// The web's component; nothing on a machine without Node, where there is nothing to try.
fn web() -> Option<Installed> {
    let options = Options::new(Asked::default()).unwrap();
    let web = Component::named("web").unwrap();
    match web.install(&options, &mut |_| {}) {
        Ok(installed) => Some(installed),
        Err(error @ EnvironmentError::NoNode { .. }) => {
            println!("{error}: nothing to try");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What the scripts of the web make of what a runtime says, with a runtime that says what each case has it say.
#[test]
fn what_a_runtime_says_of_its_nodes_and_its_work_is_believed_as_it_says_it() {
    let Some(installed) = web() else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new(installed.program.unwrap())
        .arg(folder.join("tests/stack/execution.mjs"))
        .arg(folder.join("web/execution.mjs"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said.trim(),
        "execution: right",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Node runs the web's runtime: it compiles code of its own, and asks for threads and much address space.
#[test]
fn node_runs_a_graph_without_namespaces() {
    let Some(installed) = web() else {
        return;
    };
    let program = installed.program.clone().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/stack.mjs");
    let work = tempfile::tempdir().unwrap();
    let mut policy = Policy::new().read(&script).write(work.path());
    policy.read.extend(default_read_paths(&[] as &[&Path]));
    policy
        .read
        .extend([installed.root.clone(), program.clone()]);
    policy.forbid_namespaces = true;
    let output = work.path().join("output");
    let file = File::create(&output).unwrap();
    let finished = CagedCommand::new(
        env!("CARGO_BIN_EXE_portwright-caged"),
        &program,
        work.path(),
        policy,
    )
    .arg(&script)
    .arg(
        installed
            .root
            .join("node_modules/onnxruntime-web/dist/ort.node.min.mjs"),
    )
    .stdout(file.try_clone().unwrap())
    .stderr(file)
    .run()
    .unwrap();
    let said = std::fs::read_to_string(&output).unwrap();
    assert_eq!(
        (finished.outcome, finished.mode),
        (Outcome::Exited(0), Mode::LandlockSeccomp),
        "{said}"
    );
    assert!(said.contains("onnxruntime-web: right"), "{said}");
}
