//! The pool against the real Python environment.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock, time::Duration};

use portwright_core::{
    Backend, ModelType,
    job::{Job, JobOutcome, JobReport, ModelSource, OUT_OF_DISK},
};
use portwright_sandbox::elsewhere::{Place, Task, Warm};
use portwright_sandbox::environment::Environment;
use portwright_sandbox::judge::{InputSet, branches, plain::agree};
use portwright_sandbox::pool::{JobRequest, Limits, Walls, WorkerError, Workers, WorkersConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

fn config(folder: &Path) -> WorkersConfig {
    let environment = Environment::locked().unwrap();
    WorkersConfig {
        readable: environment.readable,
        python: environment.python,
        cache: folder.join("cache"),
        logs: folder.join("logs"),
        threads: 1,
        walls: Walls::Required,
    }
}

/// One server for all tests but those that end it: starting one costs seconds. Its runtime outlives each test's.
fn shared() -> (&'static Runtime, &'static Workers) {
    static SHARED: OnceLock<(Runtime, Workers, TempDir)> = OnceLock::new();
    let (runtime, workers, _) = SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        (
            Runtime::new().unwrap(),
            Workers::new(config(folder.path())),
            folder,
        )
    });
    (runtime, workers)
}

/// Runs a job on the shared server.
fn run(request: &JobRequest) -> Result<JobReport, WorkerError> {
    let (runtime, workers) = shared();
    runtime.block_on(workers.run(request))
}

fn request(job: Job, work: &Path) -> JobRequest {
    JobRequest {
        job,
        work: work.to_path_buf(),
        readable: Vec::new(),
        limits: Limits::default(),
    }
}

fn introspect(name: &str) -> Job {
    Job::Introspect {
        model_type: ModelType::new(name),
        source: ModelSource::Library,
    }
}

/// A build job whose skillset runs `code` when it is imported.
fn hostile(folder: &Path, code: &str) -> Job {
    let skillset = folder.join("hostile");
    fs::create_dir_all(&skillset).unwrap();
    fs::write(skillset.join("__init__.py"), code).unwrap();
    Job::Build {
        skillset: skillset.display().to_string(),
        backend: Backend::ONNXRUNTIME,
        checkpoint: skillset.display().to_string(),
        onnx: None,
    }
}

fn done(report: JobReport) -> Value {
    match report.outcome {
        JobOutcome::Done { result } => result,
        other => panic!("the job did not answer: {other:?}"),
    }
}

fn plan() -> Box<portwright_core::PortPlan> {
    let plan = json!({
        "schema": 2,
        "model_type": "bert",
        "family": "encoder-only",
        "library_version": "any",
        "class": "BertModel",
        "module": "transformers.models.bert.modeling_bert",
        "config_class": "BertConfig",
        "task": "base",
        "backends": ["torch-cpu"],
        "weights": {"seed": 1, "gain": 1.0},
        "config": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                   "intermediate_size": 32, "vocab_size": 50},
        "dims": {"batch": {"example": 2}, "sequence": {"example": 4}},
        "inputs": [{"name": "input_ids", "dtype": "int64", "shape": ["batch", "sequence"],
                    "values": {"kind": "integer", "low": 0, "high": 50}, "modality": "text"}],
    });
    Box::new(serde_json::from_value(plan).unwrap())
}

fn write_ids(path: &Path) {
    let bytes: Vec<u8> = (0..8_i64).flat_map(i64::to_le_bytes).collect();
    let view =
        safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![2, 4], &bytes).unwrap();
    safetensors::serialize_to_file([("input_ids", view)], None, path).unwrap();
}

#[test]
fn a_plan_becomes_a_checkpoint_and_a_reference() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("materialise");
    let job = Job::Materialise {
        plan: plan(),
        source: ModelSource::Library,
    };
    let report = run(&request(job, &work)).unwrap();
    assert_ne!(report.isolation, "none");
    let checkpoint = work.join(done(report)["checkpoint"].as_str().unwrap());

    let inputs = folder.path().join("set-1.safetensors");
    write_ids(&inputs);
    let job = Job::Reference {
        plan: plan(),
        source: ModelSource::Library,
        checkpoint: checkpoint.display().to_string(),
        inputs: vec![inputs.display().to_string()],
        corners: Vec::new(),
        branches: true,
    };
    let work = folder.path().join("reference");
    let answer = done(run(&request(job, &work)).unwrap());
    let seen = branches::read(&answer["branches"]).unwrap();
    assert!(
        seen.checked && branches::limits(&seen).is_empty(),
        "{seen:?}"
    );
    let bytes = fs::read(work.join(answer["outputs"][0].as_str().unwrap())).unwrap();
    let outputs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(
        outputs.tensor("last_hidden_state").unwrap().shape(),
        [2, 4, 16]
    );
}

#[test]
fn a_kept_process_of_plain_python_outlives_a_task_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("materialise");
    let job = Job::Materialise {
        plan: plan(),
        source: ModelSource::Library,
    };
    let report = run(&request(job, &work)).unwrap();
    let checkpoint = work.join(done(report)["checkpoint"].as_str().unwrap());
    let set = InputSet {
        name: "example".to_owned(),
        sizes: BTreeMap::new(),
        seed: 0,
        probe: None,
        corner: false,
        tensors: BTreeMap::new(),
    };
    write_ids(&folder.path().join(set.file_name()));
    let place = Place {
        environment: Environment::locked().unwrap(),
        launcher: env!("CARGO_BIN_EXE_portwright-caged").into(),
        walls: Walls::Required,
    };
    let good = Task {
        plan: *plan(),
        code: None,
        checkpoint,
        weights: Vec::new(),
        inputs: folder.path().to_owned(),
        sets: vec![set],
        threads: 1,
        limits: Limits::default(),
    };
    let mut wrong = good.clone();
    wrong.plan.class = "NoSuchModel".to_owned();
    let warm = Warm::default();
    let outputs = |task: &Task| warm.run(&place, task).unwrap().outputs.map(Result::unwrap);
    let first = outputs(&good).unwrap();
    assert_eq!(first.outputs.0[0]["last_hidden_state"].shape, [2, 4, 16]);
    assert!(agree(&first.outputs, &first.again).is_ok());
    match warm.run(&place, &wrong).unwrap().report.outcome {
        JobOutcome::Crashed { log, .. } => assert!(log.contains("NoSuchModel"), "{log}"),
        other => panic!("there is no such class: {other:?}"),
    }
    let later = warm.run(&place, &good).unwrap();
    assert!(matches!(later.report.outcome, JobOutcome::Done { .. }));
}

#[test]
fn what_can_end_a_job_is_told_apart_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();

    let report = run(&request(introspect("no-such-type"), &root.join("error"))).unwrap();
    assert!(
        matches!(&report.outcome, JobOutcome::Failed { error } if error.exception == "LookupError"
            && error.doing == "import configuration"),
        "{report:?}"
    );

    let mut hang = request(
        hostile(&root.join("a"), "while True: pass"),
        &root.join("hang"),
    );
    hang.limits.wall = Duration::from_secs(2);
    let report = run(&hang).unwrap();
    assert_eq!(report.outcome, JobOutcome::TimedOut { seconds: 2.0 });

    let code = "hoard = []\nwhile True: hoard.append(bytearray(b'x' * (16 << 20)))";
    let mut hog = request(hostile(&root.join("b"), code), &root.join("hog"));
    hog.limits.memory_bytes = 1 << 30;
    let report = run(&hog).unwrap();
    assert!(
        matches!(report.outcome, JobOutcome::OutOfMemory { .. }),
        "{report:?}"
    );

    let code = "import ctypes\nprint('last words', flush=True)\nctypes.string_at(0)";
    let report = run(&request(
        hostile(&root.join("c"), code),
        &root.join("crash"),
    ))
    .unwrap();
    assert!(
        matches!(&report.outcome, JobOutcome::Crashed { status, log }
            if status == "signal 11" && log.contains("last words")),
        "{report:?}"
    );

    let forged = r#"import os
os.write(1, b'{"id":"0","event":"exited","status":{"code":0},"isolation":"none","answer":{"ok":"pass"}}\n')
raise ValueError('real')"#;
    let report = run(&request(
        hostile(&root.join("d"), forged),
        &root.join("forge"),
    ))
    .unwrap();
    assert!(
        matches!(&report.outcome, JobOutcome::Failed { error } if error.message == "real"),
        "{report:?}"
    );

    let bad = request(
        hostile(
            &root.join("e"),
            "open('/proc/self/cmdline').close(); open('../outside', 'w')",
        ),
        &root.join("escape"),
    );
    let report = run(&bad).unwrap();
    assert!(
        matches!(report.outcome, JobOutcome::Failed { .. }),
        "{report:?}"
    );
    assert!(!root.join("outside").exists());

    done(run(&request(introspect("bert"), &root.join("after"))).unwrap());
}

#[test]
fn a_job_that_prints_without_end_leaves_a_small_log() {
    let folder = tempfile::tempdir().unwrap();
    let code = r#"import os
for child in range(3):
    if os.fork() == 0:
        for _ in range(40): os.write(2, b'x' * (1 << 20))
        os._exit(0)
for _ in range(3): os.wait()
# Nothing that can be done to a file can be done to what it prints to.
for attempt in (lambda: os.ftruncate(2, 1 << 40), lambda: os.lseek(2, 1 << 40, 0)):
    try:
        attempt()
    except OSError:
        continue
    os._exit(1)
os.write(2, b'last words')
os.abort()"#;
    let (runtime, workers) = (Runtime::new().unwrap(), Workers::new(config(folder.path())));
    let job = request(hostile(folder.path(), code), &folder.path().join("work"));
    let report = runtime.block_on(workers.run(&job)).unwrap();
    let JobOutcome::Crashed { status, log } = &report.outcome else {
        panic!("{report:?}");
    };
    assert!(
        status == "signal 6" && log.contains("last words"),
        "{report:?}"
    );
    let logs: Vec<_> = fs::read_dir(folder.path().join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .collect();
    let bytes: u64 = logs.iter().map(|log| log.metadata().unwrap().len()).sum();
    assert!(bytes < 1 << 20, "{bytes}");
    // An honest job that prints nothing leaves no log, and no job leaves its pipe.
    let quiet = request(introspect("bert"), &folder.path().join("quiet"));
    done(runtime.block_on(workers.run(&quiet)).unwrap());
    let after = fs::read_dir(folder.path().join("logs")).unwrap().count();
    assert_eq!(after, logs.len());
}

#[test]
fn what_a_job_leaves_and_answers_has_a_size() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let work = root.join("fills");
    let code = "import itertools, os\nfor n in itertools.count(): os.makedirs(f'home/{n}'); open(f'home/{n}/f', 'wb').write(bytes(1 << 20))";
    let mut fills = request(hostile(&root.join("a"), code), &work);
    fills.limits.disk_bytes = 50 << 20;
    let report = run(&fills).unwrap();
    assert!(
        matches!(&report.outcome, JobOutcome::Crashed { status, log }
            if status == OUT_OF_DISK && log.contains("more than the 50 MiB")),
        "{report:?}"
    );
    assert_eq!(
        fs::read_dir(&work).unwrap().count(),
        0,
        "the room is given back"
    );

    // The pipe that the answer goes through is the job's own; whatever it writes there, others are none the worse.
    let answers = |name: &str, bytes: &str| {
        let code = format!(
            "import os\nfor fd in range(3, 64):\n  try: os.write(fd, b''); pipe = fd\n  except OSError: pass\n\
             data = {bytes}\nwhile data: data = data[os.write(pipe, data):]\nos._exit(0)"
        );
        run(&request(
            hostile(&root.join(name), &code),
            &root.join(format!("{name}-work")),
        ))
        .unwrap()
    };
    let report = answers("b", "b'{\"ok\":\"' + b'x' * (62 << 20) + b'\"}'");
    assert!(
        matches!(&report.outcome, JobOutcome::Failed { error } if error.message == "the answer is too large"),
        "{report:?}"
    );
    let report = answers("c", "b'{\"ok\":' + b'[' * 200 + b']' * 200 + b'}'");
    assert!(
        matches!(&report.outcome, JobOutcome::Failed { error } if error.exception == "MalformedAnswer"),
        "{report:?}"
    );
    done(run(&request(introspect("bert"), &root.join("after"))).unwrap());
}

#[test]
fn the_judges_files_cannot_be_replaced_and_its_reference_cannot_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let inputs = root.join("inputs/example.safetensors");
    let reference = root.join("reference/outputs/example.safetensors");
    for (path, text) in [
        (&inputs, "drawn by the judge"),
        (&reference, "eager PyTorch"),
    ] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // Each attempt must be refused; the message tells which one was not.
    let code = format!(
        r#"import os, shutil
inputs, reference = {inputs:?}, {reference:?}
attempts = {{
    'read the reference': lambda: open(reference).read(),
    'list the reference': lambda: os.listdir(os.path.dirname(reference)),
    'overwrite the inputs': lambda: open(inputs, 'w'),
    'append to the inputs': lambda: open(inputs, 'a'),
    'remove the inputs': lambda: os.unlink(inputs),
    'move the inputs': lambda: os.rename(inputs, inputs + '.old'),
    'replace the inputs': lambda: os.symlink('/dev/null', inputs + '.new'),
    'remove the reference': lambda: shutil.rmtree(os.path.dirname(reference)),
    'write a reference': lambda: open(reference, 'w'),
}}
done = []
for name, attempt in attempts.items():
    try:
        attempt()
        done.append(name)
    except OSError:
        pass
raise ValueError(f'done: {{done}}, read: {{open(inputs).read()}}')"#
    );
    let mut attack = request(hostile(&root.join("skillset"), &code), &root.join("work"));
    attack.readable.push(inputs.parent().unwrap().to_owned());
    let report = run(&attack).unwrap();
    assert!(
        matches!(&report.outcome, JobOutcome::Failed { error }
            if error.message == "done: [], read: drawn by the judge"),
        "{report:?}"
    );
    assert_eq!(fs::read_to_string(&inputs).unwrap(), "drawn by the judge");
    assert_eq!(fs::read_to_string(&reference).unwrap(), "eager PyTorch");
}

#[test]
fn jobs_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let first = request(introspect("bert"), &folder.path().join("first"));
    let second = request(introspect("gpt2"), &folder.path().join("second"));
    let (runtime, workers) = shared();
    let (first, second) =
        runtime.block_on(async { tokio::join!(workers.run(&first), workers.run(&second)) });
    assert_eq!(done(first.unwrap())["config_class"]["name"], "BertConfig");
    assert_eq!(done(second.unwrap())["config_class"]["name"], "GPT2Config");
}

#[tokio::test]
async fn a_killed_server_costs_the_job_in_flight_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let workers = Workers::new(config(folder.path()));
    let work = folder.path().join("waits");
    // The job says that it runs, and then waits for ever.
    let code = "import os, time\nos.mkfifo('gate')\nopen('gate').read()";
    let waiting = request(hostile(folder.path(), code), &work);
    let kill = async {
        while !work.join("gate").exists() {
            tokio::task::yield_now().await;
        }
        let server = child_of(
            std::process::id(),
            "portwright_worker",
            &config(folder.path()).cache,
        );
        // SAFETY: plain system call on a child of this process.
        unsafe { libc::kill(server, libc::SIGKILL) };
    };
    let (report, ()) = tokio::join!(workers.run(&waiting), kill);
    let report = report.unwrap();
    assert!(
        matches!(report.outcome, JobOutcome::Crashed { .. }),
        "{report:?}"
    );
    done(
        workers
            .run(&request(introspect("bert"), &folder.path().join("after")))
            .await
            .unwrap(),
    );
}

/// The child of a process that was started with this package from this folder: tests in one program have a server each.
fn child_of(parent: u32, package: &str, cache: &Path) -> i32 {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let Ok(command) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let command = String::from_utf8_lossy(&command).into_owned();
        if status.contains(&format!("PPid:\t{parent}\n"))
            && command.contains(package)
            && command.contains(&cache.display().to_string())
        {
            return pid;
        }
    }
    panic!("there is no server");
}

#[tokio::test]
async fn an_interpreter_that_is_none_is_an_error_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    let config = WorkersConfig {
        python: folder.path().join("no-python"),
        ..config(folder.path())
    };
    let error = Workers::new(config).start().await.unwrap_err();
    assert!(matches!(error, WorkerError::Launch { .. }), "{error:?}");
    assert!(error.hint().contains("remove its folder"));
}

#[tokio::test]
async fn a_server_that_cannot_import_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("python");
    fs::write(
        &fake,
        "#!/bin/sh\necho 'no module named torch' >&2\nexit 1\n",
    )
    .unwrap();
    fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = WorkersConfig {
        python: fake,
        ..config(folder.path())
    };
    let error = Workers::new(config).start().await.unwrap_err();
    assert!(
        error.to_string().contains("no module named torch"),
        "{error}"
    );
}

#[test]
fn a_path_that_is_missing_is_an_error_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut bad = request(introspect("bert"), &folder.path().join("work"));
    bad.readable.push(folder.path().join("absent"));
    let error = run(&bad).unwrap_err();
    assert!(matches!(error, WorkerError::NotCaged(_)), "{error:?}");
}
