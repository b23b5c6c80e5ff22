//! One job in a work folder of its own, and what the tests need around it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use portwright_sandbox::isolation::{Mode, Policy, default_read_paths, probe};
use portwright_sandbox::process::{CagedCommand, Finished, Limits};
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;

/// The program that cages itself.
pub const LAUNCHER: &str = env!("CARGO_BIN_EXE_portwright-caged");

/// The interpreter that runs the hostile scripts, with the folders it needs.
pub struct Python {
    pub executable: PathBuf,
    prefixes: Vec<PathBuf>,
}

/// Asks `python3` what it really is: the one on the path may be a script that chooses another.
pub fn python() -> &'static Python {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let code = "import sys; print(sys.executable, sys.prefix, sys.base_prefix, sep='\\n')";
        let output = Command::new("python3")
            .args(["-c", code])
            .output()
            .expect("the tests need python3");
        let paths: Vec<PathBuf> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(PathBuf::from)
            .collect();
        Python {
            executable: paths[0].clone(),
            prefixes: paths[1..].to_vec(),
        }
    })
}

/// The modes this kernel can run jobs in, the strongest first.
pub fn modes() -> Vec<Mode> {
    match probe().mode {
        Ok(Mode::NamespacesLandlockSeccomp) => {
            vec![Mode::NamespacesLandlockSeccomp, Mode::LandlockSeccomp]
        }
        Ok(mode) => vec![mode],
        Err(reason) => panic!("the cage cannot be tested here: {reason}"),
    }
}

pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hostile")
        .join(name)
}

pub struct Job {
    folder: TempDir,
    pub policy: Policy,
    limits: Limits,
}

impl Job {
    /// Generous, so that only the limit a test lowers can be broken.
    pub const LIMITS: Limits = Limits {
        resident_bytes: 2048 * MIB,
        wall: Duration::from_secs(120),
        cpu: Duration::from_secs(120),
        processes: 1000,
        ..Limits::DEFAULT
    };

    /// A job in this mode, or in the weaker one where the kernel refuses namespaces: the walls differ, not what holds.
    pub fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut policy = Policy::new().read(script("")).write(folder.path());
        policy.read.extend(default_read_paths(&python().prefixes));
        policy.forbid_namespaces = mode != Mode::NamespacesLandlockSeccomp;
        assert!(
            modes().contains(&mode),
            "this kernel refuses user namespaces, so {mode} cannot be tested"
        );
        Self {
            folder,
            policy,
            limits: Self::LIMITS,
        }
    }

    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, name: &str, args: &[&str]) -> CagedCommand {
        args.iter()
            .fold(self.interpreter().arg(script(name)), CagedCommand::arg)
    }

    fn interpreter(&self) -> CagedCommand {
        CagedCommand::new(
            LAUNCHER,
            &python().executable,
            self.folder(),
            self.policy.clone(),
        )
        .env("TMPDIR", self.folder())
        .env("HOME", self.folder())
        .env("PATH", "/usr/bin:/bin")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .limits(self.limits)
    }

    /// Runs a script from this folder's neighbours; returns its end and what it printed.
    pub fn run(&self, name: &str, args: &[&str]) -> (Finished, String) {
        run(self.command(name, args))
    }

    /// Runs a line of Python.
    pub fn run_inline(&self, code: &str) -> (Finished, String) {
        run(self.interpreter().arg("-c").arg(code))
    }

    /// Whether no process holds the file `lock` any more: a lock falls when its last holder dies.
    pub fn lock_is_free(&self) -> bool {
        File::open(self.folder().join("lock"))
            .unwrap()
            .try_lock()
            .is_ok()
    }
}

fn run(command: CagedCommand) -> (Finished, String) {
    let mut output = tempfile::tempfile().unwrap();
    let mut complaints = tempfile::tempfile().unwrap();
    let result = command
        .stdout(output.try_clone().unwrap())
        .stderr(complaints.try_clone().unwrap())
        .run();
    let mut text = String::new();
    for file in [&mut output, &mut complaints] {
        file.rewind().unwrap();
    }
    output.read_to_string(&mut text).unwrap();
    let mut complaint = String::new();
    complaints.read_to_string(&mut complaint).unwrap();
    let finished = result.unwrap_or_else(|error| panic!("{error}\nprinted:\n{text}{complaint}"));
    if !complaint.is_empty() {
        eprintln!("{complaint}");
    }
    (finished, text)
}

/// A process outside that hostile code is aimed at; it lives as long as this value.
pub struct Bystander(Child);

impl Bystander {
    pub fn start() -> Self {
        let mut child = Command::new(&python().executable)
            .arg(script("bystander.py"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        assert_eq!(
            ready_lines(&mut BufReader::new(child.stdout.take().unwrap()), 1),
            ["ready"]
        );
        Self(child)
    }

    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Neither signalled in any way, nor with another CPU limit or priority, or other processors, than this process,
    /// which bore it.
    pub fn lives_unharmed(mut self) -> bool {
        assert_eq!(scheduling(self.0.id()), scheduling(std::process::id()));
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.0.id())).unwrap();
        let cpu = limits
            .lines()
            .find(|line| line.starts_with("Max cpu time"))
            .unwrap();
        assert!(cpu.contains("unlimited"), "{cpu}");
        // SAFETY: a signal to a child that has not been waited for.
        let asked = unsafe { libc::kill(self.0.id() as i32, libc::SIGRTMIN()) };
        assert_eq!(asked, 0);
        self.0.wait().unwrap().success()
    }
}

/// Priority and policy of a process, and the processors that it may use.
fn scheduling(pid: u32) -> (Vec<String>, String) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let numbers: Vec<&str> = stat.rsplit_once(')').unwrap().1.split(' ').collect();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let allowed = status
        .lines()
        .find(|line| line.starts_with("Cpus_allowed:"))
        .unwrap();
    // Counted from behind the name: priority, nice, real-time priority, policy.
    let kept = [16, 17, 38, 39].map(|index| numbers[index].to_owned());
    (kept.to_vec(), allowed.to_owned())
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The next lines of a child's output.
pub fn ready_lines(output: &mut impl BufRead, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        })
        .collect()
}
