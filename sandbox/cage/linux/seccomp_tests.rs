//! Runs the filter in a machine of its own, so that what it says on older kernels is tested on newer ones too.

use super::*;

const NO_GAPS: Gaps = Gaps {
    metadata: false,
    truncation: false,
    signals: None,
};
const ALL_GAPS: Gaps = Gaps {
    metadata: true,
    truncation: true,
    signals: Some(42),
};

/// What the kernel would answer to a call.
fn answer(gaps: Gaps, arch: u32, number: c_long, arguments: &[u32]) -> u32 {
    let program = filter(gaps);
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
            LOAD if value == NUMBER_OFFSET => accumulator = number as u32,
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

fn call(gaps: Gaps, number: c_long, arguments: &[u32]) -> u32 {
    answer(gaps, AUDIT_ARCH, number, arguments)
}

#[test]
fn calls_of_another_architecture_end_the_job() {
    assert_eq!(answer(NO_GAPS, 0x4000_0003, 0, &[]), KILL);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_the_x32_interface_end_the_job() {
    assert_eq!(
        call(NO_GAPS, nr::SOCKET | c_long::from(X32_BIT), &[1]),
        KILL
    );
}

#[test]
fn ordinary_calls_go_through() {
    assert_eq!(call(ALL_GAPS, nr::CLOSE_RANGE, &[3, 4]), ALLOW);
    assert_eq!(call(ALL_GAPS, nr::CLONE, &[17]), ALLOW);
    assert_eq!(call(ALL_GAPS, nr::IOCTL, &[1, 0x5401]), ALLOW);
}

#[test]
fn sockets_are_refused_and_connected_pairs_are_not() {
    assert_eq!(call(NO_GAPS, nr::SOCKET, &[1, 1]), refuse(EPERM));
    assert_eq!(call(NO_GAPS, nr::SOCKETPAIR, &[1, 0o2000001]), ALLOW);
    assert_eq!(call(NO_GAPS, nr::SOCKETPAIR, &[1, 5]), ALLOW);
    assert_eq!(call(NO_GAPS, nr::SOCKETPAIR, &[1, 2]), refuse(EPERM));
    assert_eq!(call(NO_GAPS, nr::SOCKETPAIR, &[2, 1]), refuse(EPERM));
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
        assert_eq!(
            call(NO_GAPS, nr::CLONE, &[flag | 17]),
            refuse(EPERM),
            "{flag:#x}"
        );
    }
    assert_eq!(call(NO_GAPS, nr::CLONE3, &[]), refuse(ENOSYS));
}

#[test]
fn without_another_wall_only_the_job_itself_can_be_signalled() {
    for number in [
        nr::KILL,
        nr::TGKILL,
        nr::TKILL,
        nr::RT_SIGQUEUEINFO,
        nr::RT_TGSIGQUEUEINFO,
    ] {
        assert_eq!(call(ALL_GAPS, number, &[42, 9]), ALLOW);
        for other in [41, 1, 0, u32::MAX] {
            assert_eq!(
                call(ALL_GAPS, number, &[other, 9]),
                refuse(EPERM),
                "{number} {other}"
            );
        }
        assert_eq!(
            call(NO_GAPS, number, &[41, 9]),
            ALLOW,
            "another wall stands there"
        );
    }
    assert_eq!(
        call(ALL_GAPS, nr::PIDFD_SEND_SIGNAL, &[3, 9]),
        refuse(EPERM)
    );
    assert_eq!(call(ALL_GAPS, nr::FCNTL, &[3, F_SETOWN, 41]), refuse(EPERM));
    assert_eq!(call(ALL_GAPS, nr::FCNTL, &[3, 1]), ALLOW);
}

#[test]
fn without_another_wall_nothing_can_be_truncated_by_name() {
    assert_eq!(call(ALL_GAPS, nr::TRUNCATE, &[0, 0]), refuse(EPERM));
    assert_eq!(call(ALL_GAPS, nr::OPENAT, &[0, 0, O_TRUNC]), refuse(EPERM));
    assert_eq!(
        call(ALL_GAPS, nr::OPENAT, &[0, 0, O_TRUNC | 1]),
        ALLOW,
        "Landlock guards opening for writing"
    );
    assert_eq!(call(ALL_GAPS, nr::OPENAT2, &[]), refuse(ENOSYS));
    assert_eq!(call(NO_GAPS, nr::TRUNCATE, &[0, 0]), ALLOW);
}

#[test]
fn without_another_wall_modes_and_times_stay_as_they_are() {
    for number in METADATA.iter().filter(|number| **number != ABSENT) {
        assert_eq!(
            call(ALL_GAPS, *number, &[]),
            ERRNO,
            "success without effect"
        );
        assert_eq!(call(NO_GAPS, *number, &[]), ALLOW);
    }
}

#[test]
fn no_jump_leads_out_of_the_filter() {
    let program = filter(ALL_GAPS);
    for (index, instruction) in program.iter().enumerate() {
        let furthest = index + 1 + usize::from(instruction.jump_true.max(instruction.jump_false));
        assert!(
            instruction.code == RETURN || furthest < program.len(),
            "{index}"
        );
    }
    assert!(program.len() <= 4096, "the kernel takes no longer filter");
}
