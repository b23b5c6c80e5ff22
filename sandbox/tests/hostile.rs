//! Hostile code, tried for real in every mode of the cage this kernel has: it must be contained, and its end must be
//! told by its name. What it may not read includes `/etc/passwd`; jobs learn their user from the environment.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "hostile/harness.rs"]
mod harness;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use harness::{Bystander, Job, LAUNCHER, MIB, modes, python, ready_lines};
use portwright_sandbox::isolation::{Mode, library};
use portwright_sandbox::process::{
    Breach, CagedCommand, Limits, Outcome, Overrun, ProcessError, watch,
};

/// Runs each test in both modes.
macro_rules! in_both_modes {
    ($($name:ident)*) => {
        mod with_namespaces { $(#[test] fn $name() { super::$name(super::Mode::NamespacesLandlockSeccomp); })* }
        mod without_namespaces { $(#[test] fn $name() { super::$name(super::Mode::LandlockSeccomp); })* }
    };
}

in_both_modes! {
    honest_work_is_not_hindered
    files_outside_cannot_be_read
    files_outside_cannot_be_written
    what_is_outside_cannot_be_looked_at
    nothing_is_left_for_a_later_job
    the_network_is_closed
    a_daemon_is_dead_when_the_job_has_ended
    memory_past_the_limit_ends_the_job
    memory_is_counted_over_the_whole_tree
    shared_memory_is_counted_once
    memory_cannot_hide_from_the_count
    spinning_ends_at_the_cpu_limit
    spinning_in_children_ends_at_the_cpu_limit
    waiting_for_ever_ends_at_the_time_limit
    a_fork_bomb_ends_at_the_process_limit
    the_supervisor_and_the_fork_server_survive_an_attack
    every_end_is_told_by_its_name
    a_file_larger_than_the_limit_is_refused
    many_files_that_are_too_much_together_end_the_job
    a_flood_of_small_files_ends_the_job
    a_removed_file_that_grows_ends_the_job
    what_is_left_at_the_end_is_measured_too
    a_job_known_by_its_pid_alone_is_watched
    a_job_dies_with_its_fork_server
}

fn honest_work_is_not_hindered(mode: Mode) {
    let job = Job::new(mode);
    let (finished, said) = job.run("honest.py", &[]);
    assert_eq!(
        (finished.outcome, finished.mode),
        (Outcome::Exited(0), mode),
        "{said}"
    );
    assert!(
        finished.usage.peak_resident_bytes > MIB && finished.usage.peak_processes >= 1,
        "{:?}",
        finished.usage
    );
    assert!(
        !said.contains("CARGO"),
        "the environment is what was given: {said}"
    );
}

fn files_outside_cannot_be_read(mode: Mode) {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let bystander = Bystander::start();
    let job = Job::new(mode);
    let (finished, said) = job.run(
        "read_outside.py",
        &[secret.to_str().unwrap(), &bystander.pid()],
    );
    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    assert_all_refused(&said, 16);
}

fn files_outside_cannot_be_written(mode: Mode) {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "intact").unwrap();
    let before = fs::metadata(&victim).unwrap();
    let job = Job::new(mode);
    let (finished, said) = job.run("write_outside.py", &[outside.path().to_str().unwrap()]);

    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    // Changes of mode and time are without effect in one mode and refused in the other.
    let kept: String = said
        .lines()
        .filter(|line| !line.starts_with("mode:") && !line.starts_with("times:"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert_all_refused(&kept, 18);
    let after = fs::metadata(&victim).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "intact");
    assert_eq!(
        (after.mode(), after.mtime(), after.nlink()),
        (before.mode(), before.mtime(), 1)
    );
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(
        !fs::exists("/tmp/portwright-escaped").unwrap()
            && !fs::exists("/dev/shm/portwright-escaped").unwrap()
    );
    for entry in fs::read_dir(job.folder()).unwrap() {
        let kind = entry.unwrap().file_type().unwrap();
        assert!(!kind.is_char_device() && !kind.is_block_device());
    }
}

fn what_is_outside_cannot_be_looked_at(mode: Mode) {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("secret", outside.path().join("link")).unwrap();
    let bystander = Bystander::start();
    // In the weak mode names and sizes can be learnt, as `docs/sandbox.md` says.
    let (strength, attempts) = match mode {
        Mode::NamespacesLandlockSeccomp => ("strong", 17),
        _ => ("weak", 5),
    };
    let (finished, said) = Job::new(mode).run(
        "look_outside.py",
        &[strength, outside.path().to_str().unwrap(), &bystander.pid()],
    );
    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    assert_all_refused(&said, attempts);
}

fn nothing_is_left_for_a_later_job(mode: Mode) {
    let key = format!("{:x}", std::process::id() + 0x7077_0000);
    let (finished, said) = Job::new(mode).run("outlive.py", &[&key]);
    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    assert_all_refused(&said, 11);
}

fn the_network_is_closed(mode: Mode) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let job = Job::new(mode);
    // In the job's own folder, where it may open anything.
    let path = job.folder().join("socket");
    let unix = UnixListener::bind(&path).unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    unix.set_nonblocking(true).unwrap();
    let ports = [
        tcp.local_addr().unwrap().port().to_string(),
        udp.local_addr().unwrap().port().to_string(),
    ];
    let (finished, said) = job.run(
        "network.py",
        &[&ports[0], &ports[1], path.to_str().unwrap()],
    );

    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    assert_all_refused(&said, 10);
    assert_eq!(tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(
        udp.recv(&mut [0; 16]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(unix.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

fn a_daemon_is_dead_when_the_job_has_ended(mode: Mode) {
    let job = Job::new(mode);
    let (finished, said) = job.run("daemon.py", &[]);
    assert_eq!(
        (finished.outcome, said.as_str()),
        (Outcome::Exited(0), "daemon is up\n")
    );
    assert!(job.lock_is_free());
}

fn memory_past_the_limit_ends_the_job(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        resident_bytes: 200 * MIB,
        ..Job::LIMITS
    });
    let (finished, said) = job.run("memory.py", &["alone"]);
    let Outcome::Breached(Breach::OutOfMemory { peak, limit }) = finished.outcome else {
        panic!("{:?} {said}", finished.outcome);
    };
    assert!(peak > limit && limit == 200 * MIB && finished.usage.peak_resident_bytes == peak);
}

fn memory_is_counted_over_the_whole_tree(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        resident_bytes: 300 * MIB,
        ..Job::LIMITS
    });
    let (finished, said) = job.run("memory.py", &["together"]);
    assert!(
        matches!(
            finished.outcome,
            Outcome::Breached(Breach::OutOfMemory { .. })
        ),
        "{:?} {said}",
        finished.outcome
    );
}

fn shared_memory_is_counted_once(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        resident_bytes: 500 * MIB,
        ..Job::LIMITS
    });
    let (finished, said) = job.run("memory.py", &["share"]);
    assert_eq!(
        (finished.outcome, said.as_str()),
        (Outcome::Exited(0), "shared 150 MiB\n")
    );
    assert_eq!(finished.usage.peak_processes, 5);
}

fn memory_cannot_hide_from_the_count(mode: Mode) {
    let (finished, said) = Job::new(mode).run("memory.py", &["hidden"]);
    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    assert_all_refused(&said, 2);
}

fn spinning_ends_at_the_cpu_limit(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        cpu: Duration::from_millis(500),
        ..Job::LIMITS
    });
    let (finished, said) = job.run("spin.py", &["spin"]);
    assert!(
        matches!(finished.outcome, Outcome::Breached(Breach::OutOfCpu { .. })),
        "{:?} {said}",
        finished.outcome
    );
    assert!(job.lock_is_free());
}

fn spinning_in_children_ends_at_the_cpu_limit(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        cpu: Duration::from_millis(500),
        ..Job::LIMITS
    });
    let (finished, said) = job.run("spin.py", &["spawn"]);
    assert!(
        matches!(finished.outcome, Outcome::Breached(Breach::OutOfCpu { .. })),
        "{:?} {said}",
        finished.outcome
    );
    assert!(job.lock_is_free());
}

fn waiting_for_ever_ends_at_the_time_limit(mode: Mode) {
    let limit = Duration::from_millis(700);
    let job = Job::new(mode).limits(Limits {
        wall: limit,
        ..Job::LIMITS
    });
    let (finished, _) = job.run("spin.py", &["sleep"]);
    assert_eq!(
        finished.outcome,
        Outcome::Breached(Breach::TimedOut { limit })
    );
    assert!(job.lock_is_free());
}

fn a_fork_bomb_ends_at_the_process_limit(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        processes: 64,
        ..Job::LIMITS
    });
    let (finished, said) = job.run("fork_bomb.py", &[]);
    let Outcome::Breached(Breach::TooManyProcesses { count, limit: 64 }) = finished.outcome else {
        panic!("{:?} {said}", finished.outcome);
    };
    assert!(count > 64);
    assert!(job.lock_is_free());
}

fn the_supervisor_and_the_fork_server_survive_an_attack(mode: Mode) {
    let bystander = Bystander::start();
    let (finished, said) = Job::new(mode).run("kill_parent.py", &[&bystander.pid()]);
    // That the supervisor still told the job's own end shows that it lives.
    assert_eq!(finished.outcome, Outcome::Exited(0), "{said}");
    let attempts = said.strip_suffix("still here\n").unwrap();
    assert_all_refused(attempts, 17);
    assert!(bystander.lives_unharmed());
}

fn every_end_is_told_by_its_name(mode: Mode) {
    for (how, outcome, said) in [
        ("0", Outcome::Exited(0), ""),
        ("7", Outcome::Exited(7), ""),
        ("abort", Outcome::Signalled(6), ""),
        ("segfault", Outcome::Signalled(11), ""),
        ("abort in a child", Outcome::Exited(0), "-6\n"),
    ] {
        let (finished, output) = Job::new(mode).run("end.py", &[how]);
        assert_eq!(
            (finished.outcome, output.as_str()),
            (outcome, said),
            "{how}"
        );
    }
}

fn a_file_larger_than_the_limit_is_refused(mode: Mode) {
    let mut job = Job::new(mode);
    job.policy.file_bytes = Some(1000);
    let (finished, _) = job.run_inline("with open('big', 'wb') as file: file.write(bytes(5000))");
    assert_eq!(finished.outcome, Outcome::Exited(1));
    assert_eq!(fs::metadata(job.folder().join("big")).unwrap().len(), 1000);
}

fn many_files_that_are_too_much_together_end_the_job(mode: Mode) {
    let limit = 20 * MIB;
    let job = Job::new(mode).limits(Limits {
        disk_bytes: limit,
        ..Job::LIMITS
    });
    let (finished, said) = job.run("disk.py", &["grow"]);
    let Outcome::Breached(Breach::Disk(Overrun::Bytes { taken, .. })) = finished.outcome else {
        panic!("{:?} {said}", finished.outcome);
    };
    assert!(taken > limit);
    assert!(job.lock_is_free());
}

fn a_flood_of_small_files_ends_the_job(mode: Mode) {
    let job = Job::new(mode).limits(Limits {
        files: 500,
        ..Job::LIMITS
    });
    let (finished, said) = job.run("disk.py", &["flood"]);
    assert_eq!(
        finished.outcome,
        Outcome::Breached(Breach::Disk(Overrun::Files {
            count: 501,
            limit: 500
        })),
        "{said}"
    );
}

fn a_removed_file_that_grows_ends_the_job(mode: Mode) {
    for how in ["removed", "mapped"] {
        let job = Job::new(mode).limits(Limits {
            disk_bytes: 20 * MIB,
            ..Job::LIMITS
        });
        let (finished, said) = job.run("disk.py", &[how]);
        assert!(
            matches!(
                finished.outcome,
                Outcome::Breached(Breach::Disk(Overrun::Bytes { .. }))
            ),
            "{how}: {:?} {said}",
            finished.outcome
        );
    }
}

fn what_is_left_at_the_end_is_measured_too(mode: Mode) {
    for (code, deep) in [
        ("open('holes', 'wb').truncate(1 << 30)", false),
        (
            "import os\nfor _ in range(5000): os.mkdir('d'); os.chdir('d')",
            true,
        ),
    ] {
        let job = Job::new(mode).limits(Limits {
            disk_bytes: 100 * MIB,
            ..Job::LIMITS
        });
        let (finished, said) = job.run_inline(code);
        let Outcome::Breached(Breach::Disk(overrun)) = finished.outcome else {
            panic!("{code}: {:?} {said}", finished.outcome);
        };
        assert_eq!(matches!(overrun, Overrun::Deep { .. }), deep, "{overrun}");
        portwright_sandbox::folder::empty(job.folder()).unwrap();
    }
}

/// The fork server in small, with its first two lines read: the job's mode and its supervisor's pid.
fn fork_server(job: &Job, task: &str) -> (Child, BufReader<ChildStdout>, i32, Mode) {
    let cache = tempfile::tempdir().unwrap();
    let policy = cache.path().join("policy");
    fs::write(&policy, job.policy.to_text().unwrap()).unwrap();
    let mut server = Command::new(&python().executable)
        .arg(harness::script("fork_server.py"))
        .args([library(cache.path()).unwrap(), policy])
        .arg(task)
        .current_dir(job.folder())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let lines = ready_lines(&mut output, 2);
    let find = |prefix: &str| {
        lines
            .iter()
            .find_map(|line| line.strip_prefix(prefix))
            .map(str::to_owned)
    };
    let pid = find("supervisor ")
        .unwrap_or_else(|| panic!("{lines:?}"))
        .parse()
        .unwrap();
    let mode = Mode::from_name(&find("mode ").unwrap_or_else(|| panic!("{lines:?}"))).unwrap();
    (server, output, pid, mode)
}

fn a_job_known_by_its_pid_alone_is_watched(mode: Mode) {
    let job = Job::new(mode);
    let (mut server, mut output, pid, found) = fork_server(&job, "eat");
    let watched = watch(
        pid,
        &Limits {
            resident_bytes: 200 * MIB,
            ..Job::LIMITS
        },
        &[],
    )
    .unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    let code = rest.trim().strip_prefix("code ").unwrap().parse().unwrap();
    assert!(server.wait().unwrap().success());
    assert_eq!(found, mode);
    let outcome = Outcome::from_code(code, watched.breach);
    assert!(
        matches!(outcome, Outcome::Breached(Breach::OutOfMemory { .. })),
        "{outcome:?}"
    );
}

fn a_job_dies_with_its_fork_server(mode: Mode) {
    let job = Job::new(mode);
    let (mut server, mut output, ..) = fork_server(&job, "hold");
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let held = !job.lock_is_free();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(held && line == "holding\n", "{line}");
    // Blocks until the last process of the job is gone.
    File::open(job.folder().join("lock"))
        .unwrap()
        .lock()
        .unwrap();
}

/// Every attempt that a script printed was made, and failed for a reason of containment and no other.
fn assert_all_refused(said: &str, attempts: usize) {
    const CONTAINED: [&str; 8] = [
        "EACCES", "EPERM", "EROFS", "EXDEV", "ESRCH", "ENOENT", "EMLINK", "EINVAL",
    ];
    for line in said.lines() {
        let reason = line.split_once(": refused ").map(|(_, reason)| reason);
        assert!(
            reason.is_some_and(|reason| CONTAINED.contains(&reason)),
            "{line}\nall:\n{said}"
        );
    }
    assert_eq!(said.lines().count(), attempts, "{said}");
}

#[test]
fn a_kernel_without_walls_refuses_and_names_the_way_out() {
    let mut job = Job::new(Mode::LandlockSeccomp);
    job.policy.forbid_landlock = true;
    let error = job.command("end.py", &["0"]).run().unwrap_err();
    assert!(matches!(error, ProcessError::Refused { .. }), "{error}");
    assert!(error.hint().contains("--no-sandbox"), "{}", error.hint());
}

#[test]
fn going_without_walls_is_told_in_the_evidence() {
    let mut job = Job::new(Mode::LandlockSeccomp);
    job.policy.forbid_landlock = true;
    job.policy.allow_unprotected = true;
    let (finished, said) = job.run("daemon.py", &[]);
    assert_eq!(
        (finished.mode, finished.outcome),
        (Mode::None, Outcome::Exited(0)),
        "{said}"
    );
    assert!(job.lock_is_free(), "the tree is ended in this mode too");
}

#[test]
fn permission_to_go_without_walls_does_not_take_them_down() {
    let [strongest, ..] = modes()[..] else {
        panic!("this kernel has no walls")
    };
    let mut job = Job::new(strongest);
    job.policy.allow_unprotected = true;
    assert_eq!(job.run("end.py", &["0"]).0.mode, strongest);
}

#[test]
fn a_program_that_is_not_there_is_told_from_a_job_that_failed() {
    let job = Job::new(Mode::LandlockSeccomp);
    let error = CagedCommand::new(
        LAUNCHER,
        "/no/such/program",
        job.folder(),
        job.policy.clone(),
    )
    .run()
    .unwrap_err();
    assert!(
        matches!(&error, ProcessError::NotStarted { reason } if reason.contains("/no/such/program")),
        "{error}"
    );
}

#[test]
fn a_work_folder_that_is_not_there_is_named() {
    let mut job = Job::new(Mode::LandlockSeccomp);
    job.policy.write.push("/no/such/folder".into());
    let error = job.command("end.py", &["0"]).run().unwrap_err();
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
}

#[test]
fn a_launcher_that_is_not_there_is_named() {
    let job = Job::new(Mode::LandlockSeccomp);
    let error = CagedCommand::new("/no/launcher", "true", job.folder(), job.policy.clone())
        .run()
        .unwrap_err();
    assert!(error.to_string().contains("/no/launcher"), "{error}");
}
