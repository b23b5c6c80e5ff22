//! Runs the filter in a machine of its own, so that what it says on older kernels is tested on newer ones too, and walks
//! the table with it.

use std::collections::BTreeMap;

use super::super::table::NEWEST;
use super::*;

/// The job's first process.
const OWN: i32 = 42;

/// Every other wall stands.
const STRONG: Surroundings = Surroundings {
    own: OWN,
    devices: false,
    metadata_open: false,
    truncation_open: false,
    signals_open: false,
};
/// No namespaces, and the first Landlock.
const WEAK: Surroundings = Surroundings {
    metadata_open: true,
    truncation_open: true,
    signals_open: true,
    ..STRONG
};

/// What the kernel would answer to a call.
fn answer(job: Surroundings, arch: u32, number: u32, arguments: &[u32]) -> u32 {
    let program = filter(job);
    let mut accumulator = 0;
    let mut next = 0;
    loop {
        let Instruction {
            code,
            jump_true,
            jump_false,
            value,
        } = program[next];
        next += 1;
        let mut jump =
            |taken: bool| next += usize::from(if taken { jump_true } else { jump_false });
        match code {
            LOAD if value == NUMBER_OFFSET => accumulator = number,
            LOAD if value == ARCH_OFFSET => accumulator = arch,
            LOAD => {
                accumulator = arguments
                    .get((value as usize - 16) / 8)
                    .copied()
                    .unwrap_or(0)
            }
            AND => accumulator &= value,
            JUMP_EQUAL => jump(accumulator == value),
            RETURN => return value,
            #[cfg(target_arch = "x86_64")]
            JUMP_AT_LEAST => jump(accumulator >= value),
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

/// The answer to a call by its name; a call that this architecture lacks is nothing to ask about.
fn call(job: Surroundings, name: &str, arguments: &[u32]) -> Option<u32> {
    let call = GROUPS
        .iter()
        .flat_map(|group| group.calls)
        .find(|call| call.name == name)
        .unwrap_or_else(|| panic!("no call {name}"));
    let number = call.number()?;
    Some(answer(job, AUDIT_ARCH, u32::from(number), arguments))
}

/// Every one of the calls is answered so.
#[track_caller]
fn assert_all(job: Surroundings, names: &[&str], arguments: &[u32], expected: u32) {
    for name in names {
        let found = call(job, name, arguments);
        assert!(
            found.is_none_or(|found| found == expected),
            "{name}({arguments:?}) is {found:x?}"
        );
    }
}

/// What a call is answered whose arguments break no rule, and one whose arguments break every rule.
fn answers(ruling: Ruling, job: Surroundings) -> (u32, u32) {
    let unless = |gap, otherwise| if gap { otherwise } else { ALLOW };
    match ruling {
        Ruling::Allowed => (ALLOW, ALLOW),
        Ruling::Refused => (refuse(EPERM), refuse(EPERM)),
        Ruling::Absent => (refuse(ENOSYS), refuse(ENOSYS)),
        Ruling::Unsupported => (refuse(EOPNOTSUPP), refuse(EOPNOTSUPP)),
        Ruling::Ignored => (refuse(0), refuse(0)),
        Ruling::Metadata => {
            let found = unless(job.metadata_open, refuse(0));
            (found, found)
        }
        Ruling::Truncate => {
            let found = unless(job.truncation_open, refuse(EPERM));
            (found, found)
        }
        Ruling::OpenHow => {
            let found = unless(job.truncation_open, refuse(ENOSYS));
            (found, found)
        }
        Ruling::OpenFlags { .. } => (ALLOW, unless(job.truncation_open, refuse(EPERM))),
        Ruling::Signals => (ALLOW, unless(job.signals_open, refuse(EPERM))),
        Ruling::Own
        | Ruling::Priority
        | Ruling::Clone
        | Ruling::SocketPair
        | Ruling::Fcntl
        | Ruling::Ioctl
        | Ruling::Prctl
        | Ruling::Personality => (ALLOW, refuse(EPERM)),
    }
}

/// Arguments that keep and that break the rule for a ruling.
fn arguments(ruling: Ruling) -> ([u32; 3], [u32; 3]) {
    match ruling {
        Ruling::Own | Ruling::Signals => ([OWN as u32; 3], [7; 3]),
        Ruling::Priority => ([0, OWN as u32, 0], [2, 0, 0]),
        Ruling::Clone => ([17, 0, 0], [0x1000_0011, 0, 0]),
        Ruling::SocketPair => ([1, 1, 0], [1, 2, 0]),
        Ruling::OpenFlags { .. } => ([0; 3], [O_TRUNC; 3]),
        Ruling::Fcntl => ([0, 3, 0], [0, 8, 0]),
        Ruling::Ioctl => ([0, 0x5401, 0], [0, 0x5412, 0]),
        Ruling::Prctl => ([15, 0, 0], [1, 0, 0]),
        Ruling::Personality => ([0; 3], [0x0004_0000, 0, 0]),
        _ => ([0; 3], [u32::MAX; 3]),
    }
}

#[test]
fn every_call_up_to_the_newest_has_one_ruling_and_a_reason() {
    for group in GROUPS {
        assert!(group.reason.len() > 20 && group.reason.ends_with('.'));
        assert!(!group.calls.is_empty(), "{}", group.name);
    }
    let calls = || GROUPS.iter().flat_map(|group| group.calls);
    let mut names: Vec<&str> = calls().map(|call| call.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "a name is given twice");
    // Numbers that an architecture never gave away, or gives to others.
    let x86_64_gaps = |number: &u16| (337..=423).contains(number);
    let aarch64_gaps = |number: &u16| (244..=259).contains(number) || (295..=423).contains(number);
    let numbers = |column: fn(&Call) -> Option<u16>| {
        let mut numbers: Vec<u16> = calls().filter_map(column).collect();
        numbers.sort_unstable();
        numbers
    };
    let wanted = |gap: &dyn Fn(&u16) -> bool| (0..=NEWEST).filter(|number| !gap(number)).collect();
    let x86_64: Vec<u16> = wanted(&x86_64_gaps);
    let aarch64: Vec<u16> = wanted(&aarch64_gaps);
    assert_eq!(numbers(|call| call.x86_64), x86_64);
    assert_eq!(numbers(|call| call.aarch64), aarch64);
}

#[test]
fn the_filter_does_what_the_table_says() {
    for job in [STRONG, WEAK] {
        let mut ruled = BTreeMap::new();
        for group in GROUPS {
            for number in group.calls.iter().filter_map(Call::number) {
                ruled.insert(number, group.ruling);
            }
        }
        for number in 0..=NEWEST + 100 {
            let ask = |arguments: [u32; 3]| answer(job, AUDIT_ARCH, u32::from(number), &arguments);
            let Some(ruling) = ruled.get(&number) else {
                assert_eq!(ask([0; 3]), refuse(ENOSYS), "{number} is not in the table");
                continue;
            };
            let (kept, broken) = arguments(*ruling);
            assert_eq!(
                (ask(kept), ask(broken)),
                answers(*ruling, job),
                "{number} {ruling:?}"
            );
        }
    }
}

#[test]
fn the_kernel_answers_as_the_table_says() {
    // Made before the fork: after it, a copy of a process with many threads must not allocate.
    let program = filter(WEAK);
    let mut expected: Vec<(u16, i32)> = Vec::new();
    for group in GROUPS {
        let errno = match group.ruling {
            Ruling::Refused => EPERM,
            Ruling::Absent => ENOSYS,
            Ruling::Unsupported => EOPNOTSUPP,
            _ => continue,
        };
        // Probes pass every filter, and end the process.
        let tried = |call: &&Call| !call.name.ends_with("probe");
        let numbers = group.calls.iter().filter(tried).filter_map(Call::number);
        expected.extend(numbers.map(|number| (number, errno)));
    }
    expected.push((NEWEST + 1, ENOSYS));
    // SAFETY: the child makes plain system calls, with arguments that no call accepts, and leaves.
    let child = unsafe { sys::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe {
            sys::prctl(sys::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if install(&program).is_err() {
                sys::_exit(2);
            }
            for (number, errno) in &expected {
                let answer = sys::syscall(i64::from(*number), -1_i64, -1_i64, -1_i64, -1_i64);
                if answer != -1 || sys::errno() != *errno {
                    sys::_exit(1);
                }
            }
            sys::_exit(0)
        }
    }
    assert!(expected.len() > 150, "{}", expected.len());
    let mut status = 0;
    // SAFETY: `status` is live for the call.
    assert_eq!(unsafe { sys::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "a call was answered otherwise");
}

#[test]
fn calls_of_another_architecture_end_the_job() {
    assert_eq!(answer(STRONG, 0x4000_0003, 0, &[]), KILL);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_the_x32_interface_end_the_job() {
    assert_eq!(answer(STRONG, AUDIT_ARCH, 41 | X32_BIT, &[1]), KILL);
}

#[test]
fn what_outlives_a_job_is_refused_in_every_mode() {
    for job in [STRONG, WEAK] {
        assert_all(
            job,
            &["shmget", "semget", "msgget", "mq_open", "add_key", "keyctl"],
            &[],
            refuse(EPERM),
        );
    }
}

#[test]
fn connected_pairs_are_allowed_and_no_other_socket() {
    assert_all(STRONG, &["socket"], &[1, 1], refuse(EPERM));
    for kind in [1, 0o2_000_001, 5] {
        assert_all(STRONG, &["socketpair"], &[1, kind], ALLOW);
    }
    for pair in [[1, 2], [2, 1], [16, 1]] {
        assert_all(STRONG, &["socketpair"], &pair, refuse(EPERM));
    }
}

#[test]
fn namespaces_are_refused_and_the_call_that_hides_its_flags_is_absent() {
    for flag in [
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        assert_all(STRONG, &["clone"], &[flag | 17], refuse(EPERM));
    }
    assert_all(STRONG, &["clone3"], &[], refuse(ENOSYS));
}

#[test]
fn a_process_is_scheduled_and_limited_by_itself_only() {
    let calls = [
        "sched_setaffinity",
        "sched_setscheduler",
        "sched_setparam",
        "sched_setattr",
        "prlimit64",
    ];
    for job in [STRONG, WEAK] {
        assert_all(job, &calls, &[0], ALLOW);
        assert_all(job, &calls, &[OWN as u32], ALLOW);
        for other in [1, OWN as u32 + 1, u32::MAX] {
            assert_all(job, &calls, &[other], refuse(EPERM));
            assert_all(job, &["setpriority"], &[0, other], refuse(EPERM));
        }
        assert_all(job, &["setpriority"], &[0, 0], ALLOW);
        // PRIO_PGRP and PRIO_USER of the caller.
        assert_all(job, &["setpriority"], &[1, 0], refuse(EPERM));
        assert_all(job, &["setpriority"], &[2, 0], refuse(EPERM));
    }
}

#[test]
fn without_another_wall_only_the_job_itself_can_be_signalled() {
    let calls = [
        "kill",
        "tgkill",
        "tkill",
        "rt_sigqueueinfo",
        "rt_tgsigqueueinfo",
    ];
    assert_all(WEAK, &calls, &[OWN as u32, 9], ALLOW);
    for other in [OWN as u32 - 1, 1, 0, u32::MAX] {
        assert_all(WEAK, &calls, &[other, 9], refuse(EPERM));
        assert_all(STRONG, &calls, &[other, 9], ALLOW);
    }
    assert_all(STRONG, &["pidfd_send_signal"], &[3, 9], refuse(EPERM));
    // F_SETOWN, F_SETSIG, F_SETOWN_EX.
    for command in [8, 10, 15] {
        assert_all(STRONG, &["fcntl"], &[3, command, 41], refuse(EPERM));
    }
    assert_all(STRONG, &["fcntl"], &[3, 1], ALLOW);
}

#[test]
fn open_files_are_not_marked_leased_or_watched() {
    // F_SETLEASE, F_NOTIFY, F_SET_RW_HINT, F_SET_FILE_RW_HINT.
    for command in [1024, 1026, 1036, 1038] {
        assert_all(STRONG, &["fcntl"], &[3, command], refuse(EPERM));
    }
    // FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, BTRFS_IOC_SNAP_CREATE, TIOCSTI, TIOCLINUX.
    let operations = [0x4008_6602, 0x401c_5820, 0x5000_9401, 0x5412, 0x541c];
    for operation in operations {
        for devices in [false, true] {
            let job = Surroundings { devices, ..STRONG };
            assert_all(job, &["ioctl"], &[3, operation], refuse(EPERM));
        }
    }
}

#[test]
fn a_device_of_the_jobs_own_can_be_operated() {
    let given = Surroundings {
        devices: true,
        ..STRONG
    };
    // One of a graphics card, and one that every job may use.
    assert_all(given, &["ioctl"], &[3, 0xc020_462a], ALLOW);
    assert_all(given, &["ioctl"], &[3, 0x5401], ALLOW);
    assert_all(STRONG, &["ioctl"], &[3, 0xc020_462a], refuse(EPERM));
}

#[test]
fn without_another_wall_nothing_can_be_truncated_by_name() {
    assert_all(WEAK, &["truncate"], &[0, 0], refuse(EPERM));
    assert_all(WEAK, &["openat"], &[0, 0, O_TRUNC], refuse(EPERM));
    assert_all(WEAK, &["open"], &[0, O_TRUNC], refuse(EPERM));
    // Landlock guards opening for writing.
    assert_all(WEAK, &["openat"], &[0, 0, O_TRUNC | 1], ALLOW);
    assert_all(WEAK, &["openat2"], &[], refuse(ENOSYS));
    assert_all(STRONG, &["truncate", "openat2"], &[0, 0], ALLOW);
}

#[test]
fn without_another_wall_modes_and_times_stay_as_they_are() {
    let calls = ["chmod", "fchmod", "fchmodat", "utimensat"];
    assert_all(WEAK, &calls, &[], ERRNO);
    assert_all(STRONG, &calls, &[], ALLOW);
}

#[test]
fn no_jump_leads_out_of_the_filter() {
    for devices in [false, true] {
        let program = filter(Surroundings { devices, ..WEAK });
        for (index, instruction) in program.iter().enumerate() {
            let furthest =
                index + 1 + usize::from(instruction.jump_true.max(instruction.jump_false));
            assert!(
                instruction.code == RETURN || furthest < program.len(),
                "{index}"
            );
        }
        assert!(program.len() <= 4096, "the kernel takes no longer filter");
    }
}
