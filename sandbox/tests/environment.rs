//! Environments are built for real here, from a lock of one small package.
//!
//! Several processes at once are this test binary, started again for [`child_builds_an_environment`] alone.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    io::{BufRead, BufReader, Lines, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use portwright_sandbox::environment::{
    Asked, Environment, EnvironmentError, Interpreter, Options, Progress, Spec, Uv,
};

/// Says to the test binary that it is a child, and which cache folder to build in.
const CHILD: &str = "PORTWRIGHT_TEST_ENVIRONMENT_CHILD";
/// A port on which nothing can listen: connecting is refused at once.
const NOWHERE: &str = "http://127.0.0.1:1/simple";

const SIX: &str = "\
six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \\
    --hash=sha256:ff70335d468e7eb6ec65b95b99d3a2836546063f63acc5171de367e834932a81
";

#[test]
fn an_environment_is_built_once_and_then_opened() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    assert_eq!(Environment::open(&six(), &options).unwrap(), None);
    let mut events = Vec::new();
    let built = Environment::ensure(&six(), &options, &mut |event| events.push(event)).unwrap();
    assert_eq!(built.version("six"), Some("1.17.0"));
    assert!(built.root.starts_with(options.environments()));
    assert!(built.site_packages.join("six.py").is_file());
    assert!(built.site_packages.join("__pycache__").is_dir());
    assert!(
        events.contains(&Progress::Compiling { packages: 1 }),
        "{events:?}"
    );
    assert_eq!(
        events.last(),
        Some(&Progress::Done {
            root: built.root.clone()
        })
    );
    let prints = run_python(&built, "import six; print(six.__version__)");
    assert_eq!(prints.trim(), "1.17.0");

    let mut again = Vec::new();
    let opened = Environment::ensure(&six(), &options, &mut |event| again.push(event)).unwrap();
    assert_eq!(opened, built);
    assert_eq!(again, []);
}

#[test]
fn opening_starts_no_process() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    let built = Environment::ensure(&six(), &options, &mut |_| {}).unwrap();
    // With nothing to run and no uv there, whatever started a process would fail.
    options.search_path = "".into();
    options.uv = Some("/nowhere/uv".into());
    assert_eq!(Environment::open(&six(), &options).unwrap(), Some(built));
}

#[test]
fn everything_that_the_interpreter_reads_is_named_for_the_sandbox() {
    let cache = tempfile::tempdir().unwrap();
    let built = Environment::ensure(&six(), &options(cache.path()), &mut |_| {}).unwrap();
    let script = "import sys, six, json; \
                  print('\\n'.join(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))";
    for file in run_python(&built, script).lines() {
        let known = built
            .readable
            .iter()
            .any(|folder| Path::new(file).starts_with(folder));
        assert!(known, "{file} is in none of {:?}", built.readable);
    }
    let interpreter = built.python.canonicalize().unwrap();
    assert!(
        built
            .readable
            .iter()
            .any(|folder| interpreter.starts_with(folder))
    );
}

#[test]
fn another_lock_gets_another_environment() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let one = Environment::ensure(&six(), &options, &mut |_| {}).unwrap();
    let commented = Spec {
        lock: format!("# a comment\n{SIX}"),
        ..six()
    };
    let other = Environment::ensure(&commented, &options, &mut |_| {}).unwrap();
    assert_ne!(one.root, other.root);
}

#[test]
fn an_environment_that_lost_its_interpreter_is_built_anew() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let built = Environment::ensure(&six(), &options, &mut |_| {}).unwrap();
    fs::remove_file(built.root.join("bin/python")).unwrap();
    std::os::unix::fs::symlink("/nowhere/python", built.root.join("bin/python")).unwrap();
    assert_eq!(Environment::open(&six(), &options).unwrap(), None);
    assert_eq!(
        Environment::ensure(&six(), &options, &mut |_| {}).unwrap(),
        built
    );
    assert_eq!(run_python(&built, "print(1)").trim(), "1");
}

#[test]
fn two_processes_at_once_build_it_once() {
    let cache = tempfile::tempdir().unwrap();
    let mut first = Builder::start(cache.path());
    first.wait_for("creating the Python environment");
    // The first stands still in the middle of its build until it is told to go on.
    let mut second = Builder::start(cache.path());
    let waits = second.wait_for("waiting for process");
    assert!(waits.contains(&first.child.id().to_string()), "{waits}");
    let (first, second) = (first.finish(), second.finish());
    let built = |lines: &[String]| lines.iter().any(|line| line.contains("is ready"));
    assert!(built(&first), "{first:?}");
    assert!(!built(&second), "{second:?}");
    assert_eq!(first.last(), second.last());
    assert_eq!(leftovers(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_build_that_is_killed_leaves_no_environment_and_the_next_one_works() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let mut killed = Builder::start(cache.path());
    killed.wait_for("installing 1 package");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    assert_eq!(Environment::open(&six(), &options).unwrap(), None);
    assert_eq!(leftovers(cache.path()).len(), 1);
    let built = Environment::ensure(&six(), &options, &mut |_| {}).unwrap();
    assert_eq!(
        run_python(&built, "import six; print(six.__version__)").trim(),
        "1.17.0"
    );
    assert_eq!(leftovers(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_a_killed_build_of_another_lock_left_is_removed() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let abandoned = options.environments().join("0123456789abcdef.building");
    fs::create_dir_all(abandoned.join("lib")).unwrap();
    Environment::ensure(&six(), &options, &mut |_| {}).unwrap();
    assert!(!abandoned.exists());
}

#[test]
fn without_python_the_error_says_to_install_it() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    options.search_path = cache.path().into();
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, EnvironmentError::NoPython { tried } if tried.is_empty()));
    assert!(error.hint().contains("install Python 3.11"));
}

#[test]
fn a_python_that_is_too_old_is_named_with_its_version() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    let folder = cache.path().join("bin");
    // What Python 3.9 answers to the question for its version.
    script(
        &folder.join("python3"),
        r#"echo '{"implementation": "cpython", "major": 3, "minor": 9, "version": "3.9.2", "executable": "/old", "folders": []}'"#,
    );
    options.search_path = folder.into();
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("version 3.9.2"), "{error}");
}

#[test]
fn a_python_that_was_asked_for_and_is_not_there_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    options.python = Some("/nowhere/python3".into());
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("/nowhere/python3"), "{error}");
    assert!(error.hint().contains("PORTWRIGHT_PYTHON"));
}

#[test]
fn without_uv_and_without_the_venv_module_the_error_names_the_cure() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    let python = Interpreter::find(&options).unwrap();
    let bin = cache.path().join("bin");
    // A real Python whose `ensurepip` is missing, as on a Debian without python3-venv.
    script(
        &bin.join("python3"),
        &format!(
            "case \" $* \" in *' -m venv '*)\n\
             echo 'The virtual environment was not created successfully because ensurepip is not available.'; exit 1;;\n\
             esac\n\
             exec {} \"$@\"",
            python.executable.display()
        ),
    );
    options.uv = None;
    options.search_path = bin.into();
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, EnvironmentError::VenvMissing { .. }),
        "{error}"
    );
    assert!(error.hint().contains("venv"), "{}", error.hint());
}

#[test]
fn without_uv_it_is_fetched_into_the_cache_folder() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    options.uv = None;
    options.search_path = without_uv(&options);
    let mut events = Vec::new();
    let built = Environment::ensure(&six(), &options, &mut |event| events.push(event)).unwrap();
    assert_eq!(built.version("six"), Some("1.17.0"));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Progress::FetchingUv { .. }))
    );
    let fetched = Uv::find(&options).unwrap().unwrap();
    assert!(fetched.path.starts_with(cache.path()));
}

#[test]
fn too_little_space_is_refused_before_anything_is_written() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    options.needed_bytes = u64::MAX;
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EnvironmentError::NoSpace { .. }), "{error}");
    assert!(error.hint().contains("PORTWRIGHT_CACHE_DIR"));
    assert_eq!(leftovers(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn no_network_with_an_empty_cache_is_said_plainly() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    cut_off(&mut options);
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EnvironmentError::Offline { .. }), "{error}");
    assert!(error.hint().contains("network"));
    assert_eq!(leftovers(cache.path()), Vec::<PathBuf>::new());
}

#[test]
fn no_network_and_no_uv_is_said_plainly() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = options(cache.path());
    options.uv = None;
    options.search_path = without_uv(&options);
    cut_off(&mut options);
    let error = Environment::ensure(&six(), &options, &mut |_| {}).unwrap_err();
    assert!(
        matches!(
            error,
            EnvironmentError::Offline {
                step: "fetching uv",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_package_with_another_hash_is_not_installed() {
    let cache = tempfile::tempdir().unwrap();
    let options = options(cache.path());
    let mut spec = six();
    spec.lock = format!("six==1.17.0 --hash=sha256:{}\n", "0".repeat(64));
    let error = Environment::ensure(&spec, &options, &mut |_| {}).unwrap_err();
    assert!(
        matches!(error, EnvironmentError::HashMismatch { .. }),
        "{error}"
    );
    assert_eq!(Environment::open(&spec, &options).unwrap(), None);
}

#[test]
fn a_cache_folder_that_cannot_be_made_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let file = cache.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Environment::ensure(&six(), &options(&file), &mut |_| {}).unwrap_err();
    assert!(matches!(error, EnvironmentError::Io { .. }), "{error}");
    assert!(error.hint().contains("PORTWRIGHT_CACHE_DIR"));
}

#[test]
fn a_release_that_does_not_exist_names_its_neighbours() {
    let cache = tempfile::tempdir().unwrap();
    let spec = six().replace_transformers("5.20.99").unwrap();
    let error = Environment::ensure(&spec, &options(cache.path()), &mut |_| {}).unwrap_err();
    let EnvironmentError::NoSuchRelease { version, near } = &error else {
        panic!("{error}");
    };
    assert_eq!(version, "5.20.99");
    assert_eq!(near.len(), 2, "{near:?}");
    assert!(error.hint().contains(&near[0]), "{}", error.hint());
}

/// Not a test by itself: what [`Builder`] starts. It stands still after each step until it reads a line.
#[test]
fn child_builds_an_environment() {
    let Some(cache) = env::var_os(CHILD) else {
        return;
    };
    let say = |text: &str| {
        // Past the capture of the test harness.
        writeln!(std::io::stdout(), "@{text}").unwrap();
    };
    let go_on = || {
        std::io::stdin().read_exact(&mut [0]).unwrap();
    };
    let mut progress = |event: Progress| {
        say(&event.to_string());
        go_on();
    };
    let built = Environment::ensure(&six(), &options(Path::new(&cache)), &mut progress).unwrap();
    say(&format!("built {}", built.root.display()));
}

/// A process that builds the environment of [`six`], step by step.
struct Builder {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Builder {
    fn start(cache: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_builds_an_environment", "--nocapture"])
            .env(CHILD, cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    /// Lets the build go on until it has said `text`, and leaves it standing there.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let said = self.next().expect("the build ended too early");
            if said.contains(text) {
                return said;
            }
            self.input.write_all(b"\n").unwrap();
        }
    }

    /// Lets the build go on to its end; everything that it has said from here on.
    fn finish(mut self) -> Vec<String> {
        self.input.write_all(&[b'\n'; 100]).unwrap();
        let said: Vec<_> = std::iter::from_fn(|| self.next()).collect();
        assert!(self.child.wait().unwrap().success(), "{said:?}");
        said
    }

    fn next(&mut self) -> Option<String> {
        self.output
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once('@')?.1.to_owned()))
    }
}

fn six() -> Spec {
    Spec {
        requirements: "six==1.17.0\n".into(),
        lock: SIX.into(),
        transformers: None,
    }
}

/// Options with a cache folder of their own, and a uv that is shared so that it is fetched once at most.
fn options(cache: &Path) -> Options {
    static UV: OnceLock<PathBuf> = OnceLock::new();
    let mut options = Options::new(Asked::default()).unwrap();
    options.needed_bytes = 0;
    options.uv = Some(UV.get_or_init(|| shared_uv(&options)).clone());
    options.cache_dir = cache.to_owned();
    options
}

/// The user's uv; where there is none, the one that any build fetches into the user's cache folder.
fn shared_uv(options: &Options) -> PathBuf {
    Uv::find_or_fetch(&Interpreter::find(options).unwrap(), options, &mut |_| {})
        .unwrap()
        .path
}

/// A search path that holds this machine's Python and no uv.
fn without_uv(options: &Options) -> std::ffi::OsString {
    let bin = options.cache_dir.join("only-python");
    let python = Interpreter::find(options).unwrap().executable;
    fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(python, bin.join("python3")).unwrap();
    bin.into()
}

/// Points uv and pip at a package index that is not there, with nothing fetched before.
fn cut_off(options: &mut Options) {
    let empty = options.cache_dir.join("empty");
    let no_links = options.cache_dir.join("no-links");
    for (name, value) in [
        ("UV_DEFAULT_INDEX", NOWHERE.as_ref()),
        ("UV_INDEX_URL", NOWHERE.as_ref()),
        ("UV_HTTP_RETRIES", "0".as_ref()),
        ("UV_CACHE_DIR", empty.as_os_str()),
        ("PIP_INDEX_URL", NOWHERE.as_ref()),
        ("PIP_FIND_LINKS", no_links.as_os_str()),
        ("PIP_CACHE_DIR", empty.as_os_str()),
        ("no_proxy", "127.0.0.1".as_ref()),
    ] {
        options.variables.push((name.into(), value.into()));
    }
}

/// What killed or failed builds have left.
fn leftovers(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.join("envs")).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "building")
        })
        .collect()
}

fn run_python(environment: &Environment, code: &str) -> String {
    let output = Command::new(&environment.python)
        .args(["-c", code])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Writes a program through a child: a write handle of our own could be inherited by a process that another test starts
/// just then, and a file that is open for writing cannot be run.
fn script(path: &Path, body: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\"";
    let status = Command::new("sh")
        .args(["-c", write, "sh"])
        .args([path.as_os_str(), body.as_ref()])
        .status()
        .unwrap();
    assert!(status.success());
}
