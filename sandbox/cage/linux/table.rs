//! The table of system calls: what a job may do with each that Linux has, and why.
//!
//! Every number up to [`NEWEST`] is here, for both architectures, and a test walks them. What is not here is newer than
//! this table and is answered as absent, so a later kernel brings a job nothing that nobody has looked at. Adding a
//! call is adding its name and numbers (x86_64, then aarch64, `-` where an architecture has none) to a group;
//! `docs/reference/syscalls.md` shows the same table to the user, and a test compares the two.

use super::syscalls::{Call, Group, Ruling, calls};

/// The newest number that was looked at: that of `rseq_slice_yield`. Only a test reads it.
#[cfg(test)]
pub const NEWEST: u16 = 471;

pub const GROUPS: &[Group] = &[
    Group {
        name: "reading and writing",
        ruling: Ruling::Allowed,
        reason: "Landlock decides which files can be opened; what is open may be used.",
        calls: calls! {
            read 0 63, write 1 64, pread64 17 67, pwrite64 18 68, readv 19 65, writev 20 66, preadv 295 69,
            pwritev 296 70, preadv2 327 286, pwritev2 328 287, lseek 8 62, close 3 57, close_range 436 436, dup 32 23,
            dup2 33 -, dup3 292 24, sendfile 40 71, splice 275 76, tee 276 77, vmsplice 278 75,
            copy_file_range 326 285, ftruncate 77 46, fallocate 285 47, fsync 74 82, fdatasync 75 83,
            sync_file_range 277 84, fadvise64 221 223, readahead 187 213, flock 73 32, pipe 22 -, pipe2 293 59
        },
    },
    Group {
        name: "opening and changing the tree of files",
        ruling: Ruling::Allowed,
        reason: "Landlock holds every one of these to the job's own folders; in the strong mode nothing else is \
            there.",
        calls: calls! {
            creat 85 -, mkdir 83 -, mkdirat 258 34, mknod 133 -, mknodat 259 33, rmdir 84 -, unlink 87 -,
            unlinkat 263 35, rename 82 -, renameat 264 38, renameat2 316 276, link 86 -, linkat 265 37, symlink 88 -,
            symlinkat 266 36
        },
    },
    Group {
        name: "opening by name",
        ruling: Ruling::OpenFlags { argument: 2 },
        reason: "Landlock decides. Before version 3 it does not guard truncation, so what is opened for reading only \
            may not be truncated there.",
        calls: calls! {
            openat 257 56
        },
    },
    Group {
        name: "opening by name, the older call",
        ruling: Ruling::OpenFlags { argument: 1 },
        reason: "Landlock decides, as above.",
        calls: calls! {
            open 2 -
        },
    },
    Group {
        name: "opening with flags in memory",
        ruling: Ruling::OpenHow,
        reason: "Landlock decides. Where truncation has to be looked for, a filter cannot see these flags, and the C \
            library does without the call.",
        calls: calls! {
            openat2 437 437
        },
    },
    Group {
        name: "truncating by name",
        ruling: Ruling::Truncate,
        reason: "Landlock guards it from version 3 on; before, nothing does.",
        calls: calls! {
            truncate 76 45
        },
    },
    Group {
        name: "looking at names",
        ruling: Ruling::Allowed,
        reason: "No wall can tell these apart by their path. In the strong mode nothing of the outside is there to be \
            looked at; in the weak mode names, sizes, times and the targets of links can be learnt.",
        calls: calls! {
            stat 4 -, lstat 6 -, fstat 5 80, newfstatat 262 79, statx 332 291, access 21 -, faccessat 269 48,
            faccessat2 439 439, readlink 89 -, readlinkat 267 78, getdents 78 -, getdents64 217 61, statfs 137 43,
            fstatfs 138 44, getcwd 79 17, chdir 80 49, fchdir 81 50, umask 95 166
        },
    },
    Group {
        name: "attributes of files, read",
        ruling: Ruling::Unsupported,
        reason: "Landlock does not guard them, and they can hold what somebody wrote there. Answered as on a file \
            system that has none, which every program that copies files expects.",
        calls: calls! {
            getxattr 191 8, lgetxattr 192 9, fgetxattr 193 10, getxattrat 464 464, listxattr 194 11,
            llistxattr 195 12, flistxattr 196 13, listxattrat 465 465, file_getattr 468 468
        },
    },
    Group {
        name: "attributes, flags and owners of files, changed",
        ruling: Ruling::Refused,
        reason: "Landlock does not guard them, and a mark left on a file outlives the job.",
        calls: calls! {
            setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, setxattrat 463 463, removexattr 197 14,
            lremovexattr 198 15, fremovexattr 199 16, removexattrat 466 466, file_setattr 469 469, chown 92 -,
            fchown 93 55, lchown 94 -, fchownat 260 54
        },
    },
    Group {
        name: "modes and times of files",
        ruling: Ruling::Metadata,
        reason: "Landlock does not guard them; read-only mounts do. Copying a file sets its mode and times and must \
            not fail for that, so without the mounts they are answered with success and change nothing.",
        calls: calls! {
            chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, utime 132 -, utimes 235 -, futimesat 261 -,
            utimensat 280 88
        },
    },
    Group {
        name: "watching files",
        ruling: Ruling::Refused,
        reason: "Landlock does not guard them: they tell what others do with files outside.",
        calls: calls! {
            inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27, inotify_rm_watch 255 28,
            fanotify_init 300 262, fanotify_mark 301 263
        },
    },
    Group {
        name: "writing all disks out",
        ruling: Ruling::Ignored,
        reason: "A job has nothing that must survive a power cut; to flush all disks again and again slows everybody.",
        calls: calls! {
            sync 162 81, syncfs 306 267
        },
    },
    Group {
        name: "handles, quotas, and what the kernel keeps of files",
        ruling: Ruling::Refused,
        reason: "Handles open files without their path, past Landlock. Quotas are the machine's.",
        calls: calls! {
            name_to_handle_at 303 264, open_by_handle_at 304 265, quotactl 179 60, quotactl_fd 443 443, cachestat 451 451
        },
    },
    Group {
        name: "mounts and the root",
        ruling: Ruling::Refused,
        reason: "The view of the file system is a wall.",
        calls: calls! {
            mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51, open_tree 428 428, open_tree_attr 467 467,
            move_mount 429 429, fsopen 430 430, fsconfig 431 431, fsmount 432 432, fspick 433 433,
            mount_setattr 442 442, statmount 457 457, listmount 458 458
        },
    },
    Group {
        name: "namespaces",
        ruling: Ruling::Refused,
        reason: "A new user namespace gives back the privileges that were given up.",
        calls: calls! {
            setns 308 268, unshare 272 97, listns 470 470
        },
    },
    Group {
        name: "operations on an open file",
        ruling: Ruling::Fcntl,
        reason: "Commands that copy, lock and describe a descriptor. Not those that have signals sent (F_SETOWN, \
            F_SETSIG, F_NOTIFY), that hold others up (F_SETLEASE) or that leave a mark on the file \
            (F_SET_RW_HINT).",
        calls: calls! {
            fcntl 72 25
        },
    },
    Group {
        name: "operations of devices and file systems",
        ruling: Ruling::Ioctl,
        reason: "What terminals, pipes and copies need: TCGETS, TIOCGWINSZ, TIOCGPGRP, FIONREAD, FIONBIO, FIOCLEX, \
            FIONCLEX, FIOQSIZE, FICLONE. Others type into a terminal (TIOCSTI), change flags of a file, or make \
            snapshots, which Landlock does not guard. A job that was given a device may also use what is not of \
            terminals, sockets, file systems or block devices.",
        calls: calls! {
            ioctl 16 29
        },
    },
    Group {
        name: "waiting for several things",
        ruling: Ruling::Allowed,
        reason: "They tell the job of its own descriptors only.",
        calls: calls! {
            poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20,
            epoll_ctl 233 21, epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -,
            eventfd2 290 19, signalfd 282 -, signalfd4 289 74, timerfd_create 283 85, timerfd_settime 286 86,
            timerfd_gettime 287 87
        },
    },
    Group {
        name: "sockets",
        ruling: Ruling::Refused,
        reason: "For every family, Unix ones by path and by abstract name included: Landlock does not guard sockets \
            that have a path, and one connection to a daemon is a way out.",
        calls: calls! {
            socket 41 198, connect 42 203, bind 49 200, listen 50 201, accept 43 202, accept4 288 242
        },
    },
    Group {
        name: "connected pairs",
        ruling: Ruling::SocketPair,
        reason: "Unix streams and sequenced packets reach their other end only. A datagram socket could still send to \
            any path.",
        calls: calls! {
            socketpair 53 199
        },
    },
    Group {
        name: "using a connected pair",
        ruling: Ruling::Allowed,
        reason: "There is no socket but a pair's.",
        calls: calls! {
            sendto 44 206, sendmsg 46 211, sendmmsg 307 269, recvfrom 45 207, recvmsg 47 212, recvmmsg 299 243,
            shutdown 48 210, getsockname 51 204, getpeername 52 205, getsockopt 55 209, setsockopt 54 208
        },
    },
    Group {
        name: "the memory of the job",
        ruling: Ruling::Allowed,
        reason: "It is counted while it is used and gone with its process.",
        calls: calls! {
            mmap 9 222, munmap 11 215, mremap 25 216, mprotect 10 226, madvise 28 233, brk 12 214, msync 26 227,
            mincore 27 232, mlock 149 228, mlock2 325 284, munlock 150 229, mlockall 151 230, munlockall 152 231,
            mseal 462 462, map_shadow_stack 453 453, pkey_alloc 330 289, pkey_free 331 290, pkey_mprotect 329 288,
            membarrier 324 283, mbind 237 235, set_mempolicy 238 237, get_mempolicy 239 236,
            set_mempolicy_home_node 450 450
        },
    },
    Group {
        name: "memory of no process",
        ruling: Ruling::Refused,
        reason: "It belongs to nobody while it is not mapped, and so to no limit.",
        calls: calls! {
            memfd_create 319 279, memfd_secret 447 447
        },
    },
    Group {
        name: "System V queues, semaphores and shared memory",
        ruling: Ruling::Refused,
        reason: "They outlive the job, and so carry what one job saw to another.",
        calls: calls! {
            shmget 29 194, shmat 30 196, shmctl 31 195, shmdt 67 197, semget 64 190, semop 65 193, semtimedop 220 192,
            semctl 66 191, msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187
        },
    },
    Group {
        name: "POSIX queues",
        ruling: Ruling::Refused,
        reason: "They outlive the job too. POSIX semaphores and shared memory are files in /dev/shm, which Landlock \
            closes.",
        calls: calls! {
            mq_open 240 180, mq_unlink 241 181, mq_timedsend 242 182, mq_timedreceive 243 183, mq_notify 244 184,
            mq_getsetattr 245 185
        },
    },
    Group {
        name: "keys",
        ruling: Ruling::Refused,
        reason: "A keyring is shared by all that a user runs, and outlives the job.",
        calls: calls! {
            add_key 248 217, request_key 249 218, keyctl 250 219
        },
    },
    Group {
        name: "starting processes",
        ruling: Ruling::Clone,
        reason: "A new user namespace gives back the privileges that were given up.",
        calls: calls! {
            clone 56 220
        },
    },
    Group {
        name: "starting processes with flags in memory",
        ruling: Ruling::Absent,
        reason: "A filter cannot look at its flags; told that it is absent, the C library uses clone.",
        calls: calls! {
            clone3 435 435
        },
    },
    Group {
        name: "processes and threads of the job",
        ruling: Ruling::Allowed,
        reason: "They are its own; the watchdog and a limit of the kernel count them, and all are ended with it.",
        calls: calls! {
            fork 57 -, vfork 58 -, setrlimit 160 164, execve 59 221, execveat 322 281, exit 60 93, exit_group 231 94,
            wait4 61 260, waitid 247 95, set_tid_address 218 96, set_robust_list 273 99, futex 202 98,
            futex_wait 455 455, futex_wake 454 454, futex_waitv 449 449, futex_requeue 456 456, rseq 334 293,
            rseq_slice_yield 471 471, arch_prctl 158 -, sched_yield 24 124, getcpu 309 168, restart_syscall 219 128
        },
    },
    Group {
        name: "who a process is",
        ruling: Ruling::Allowed,
        reason: "Numbers of itself, and of others what any process may ask.",
        calls: calls! {
            getpid 39 172, gettid 186 178, getppid 110 173, getpgid 121 155, getpgrp 111 -, getsid 124 156,
            setpgid 109 154, setsid 112 157, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
            getresuid 118 148, getresgid 120 150, getgroups 115 158, capget 125 90
        },
    },
    Group {
        name: "users, groups and capabilities, changed",
        ruling: Ruling::Refused,
        reason: "There is nobody else to be.",
        calls: calls! {
            setuid 105 146, setgid 106 144, setreuid 113 145, setregid 114 143, setresuid 117 147, setresgid 119 149,
            setfsuid 122 151, setfsgid 123 152, setgroups 116 159, capset 126 91
        },
    },
    Group {
        name: "the job's signals to itself",
        ruling: Ruling::Allowed,
        reason: "Handlers, masks and alarms of the process that sets them.",
        calls: calls! {
            rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigpending 127 136, rt_sigtimedwait 128 137,
            rt_sigsuspend 130 133, rt_sigreturn 15 139, sigaltstack 131 132, pause 34 -, alarm 37 -, getitimer 36 102,
            setitimer 38 103, timer_create 222 107, timer_settime 223 110, timer_gettime 224 108,
            timer_getoverrun 225 109, timer_delete 226 111
        },
    },
    Group {
        name: "signals to others",
        ruling: Ruling::Signals,
        reason: "The process namespace, or Landlock from version 6 on, keeps them inside the job. Where there is \
            neither, only the job's first process may be signalled.",
        calls: calls! {
            kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240
        },
    },
    Group {
        name: "descriptors of processes",
        ruling: Ruling::Refused,
        reason: "They signal, end and look into other processes; every library has a way without.",
        calls: calls! {
            pidfd_open 434 434, pidfd_send_signal 424 424, pidfd_getfd 438 438
        },
    },
    Group {
        name: "scheduling and limits, changed",
        ruling: Ruling::Own,
        reason: "A process may change its own, named by 0 or, in the first process of the job, by its number. A \
            filter cannot know the numbers of further threads, so these are refused: a thread pins itself with \
            0.",
        calls: calls! {
            sched_setaffinity 203 122, sched_setparam 142 118, sched_setscheduler 144 119, sched_setattr 314 274,
            prlimit64 302 261
        },
    },
    Group {
        name: "priority, changed",
        ruling: Ruling::Priority,
        reason: "As above, and of one process only: the other forms reach all that a user runs.",
        calls: calls! {
            setpriority 141 140
        },
    },
    Group {
        name: "input and output priority, and pages of others",
        ruling: Ruling::Refused,
        reason: "They change how other processes run; nothing in the stack uses them.",
        calls: calls! {
            ioprio_set 251 30, migrate_pages 256 238, move_pages 279 239, process_madvise 440 440,
            process_mrelease 448 448
        },
    },
    Group {
        name: "scheduling and limits, asked",
        ruling: Ruling::Allowed,
        reason: "Reading changes nothing.",
        calls: calls! {
            sched_getaffinity 204 123, sched_getparam 143 121, sched_getscheduler 145 120, sched_getattr 315 275,
            sched_get_priority_max 146 125, sched_get_priority_min 147 126, sched_rr_get_interval 148 127,
            getpriority 140 141, ioprio_get 252 31, getrlimit 97 163, getrusage 98 165, times 100 153
        },
    },
    Group {
        name: "looking into other processes",
        ruling: Ruling::Refused,
        reason: "Tracing, and what leads to the memory, descriptors and locks of another.",
        calls: calls! {
            ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272,
            get_robust_list 274 100, perf_event_open 298 241
        },
    },
    Group {
        name: "settings of a process",
        ruling: Ruling::Prctl,
        reason: "Its name, its own walls, and what the processor needs. Not the signal on which it dies with its \
            supervisor, what hides it from the watchdog (PR_SET_DUMPABLE), nor what reaches others \
            (PR_SCHED_CORE).",
        calls: calls! {
            prctl 157 167
        },
    },
    Group {
        name: "the execution domain",
        ruling: Ruling::Personality,
        reason: "It may be asked, and set to what it is. Others take protections of memory away.",
        calls: calls! {
            personality 135 92
        },
    },
    Group {
        name: "more walls",
        ruling: Ruling::Allowed,
        reason: "A job may lock itself in further; these take away and never give.",
        calls: calls! {
            seccomp 317 277, landlock_create_ruleset 444 444, landlock_add_rule 445 445,
            landlock_restrict_self 446 446
        },
    },
    Group {
        name: "clocks, read, and sleep",
        ruling: Ruling::Allowed,
        reason: "The time is everybody's.",
        calls: calls! {
            clock_gettime 228 113, clock_getres 229 114, clock_nanosleep 230 115, nanosleep 35 101,
            gettimeofday 96 169, time 201 -
        },
    },
    Group {
        name: "the machine, asked",
        ruling: Ruling::Allowed,
        reason: "Its name, memory and load. Random bytes.",
        calls: calls! {
            uname 63 160, sysinfo 99 179, getrandom 318 278
        },
    },
    Group {
        name: "the machine, changed",
        ruling: Ruling::Refused,
        reason: "The clock, the name, swap, modules, accounting, the log, the next kernel: root's, and a job has no \
            privileges even as root.",
        calls: calls! {
            clock_settime 227 112, clock_adjtime 305 266, settimeofday 164 170, adjtimex 159 171, sethostname 170 161,
            setdomainname 171 162, swapon 167 224, swapoff 168 225, reboot 169 142, kexec_load 246 104,
            kexec_file_load 320 294, init_module 175 105, finit_module 313 273, delete_module 176 106, acct 163 89,
            syslog 103 116, vhangup 153 58, iopl 172 -, ioperm 173 -
        },
    },
    Group {
        name: "rarely travelled parts of the kernel",
        ruling: Ruling::Refused,
        reason: "Each has had faults that gave privileges away. io_uring also makes calls that no filter sees.",
        calls: calls! {
            bpf 321 280, userfaultfd 323 282, io_uring_setup 425 425, io_uring_enter 426 426,
            io_uring_register 427 427, modify_ldt 154 -
        },
    },
    Group {
        name: "the kernel's old asynchronous input and output",
        ruling: Ruling::Absent,
        reason: "Its number of requests is one for the whole machine.",
        calls: calls! {
            io_setup 206 0, io_destroy 207 1, io_submit 209 2, io_cancel 210 3, io_getevents 208 4,
            io_pgetevents 333 292
        },
    },
    Group {
        name: "the kernel's security modules",
        ruling: Ruling::Absent,
        reason: "A job has no need to know or change them.",
        calls: calls! {
            lsm_get_self_attr 459 459, lsm_set_self_attr 460 460, lsm_list_modules 461 461
        },
    },
    Group {
        name: "relics",
        ruling: Ruling::Absent,
        reason: "No program of this age uses them; most kernels have them no more.",
        calls: calls! {
            uselib 134 -, ustat 136 -, sysfs 139 -, _sysctl 156 -, create_module 174 -, get_kernel_syms 177 -,
            query_module 178 -, nfsservctl 180 42, getpmsg 181 -, putpmsg 182 -, afs_syscall 183 -, tuxcall 184 -,
            security 185 -, vserver 236 -, epoll_ctl_old 214 -, epoll_wait_old 215 -, set_thread_area 205 -,
            get_thread_area 211 -, lookup_dcookie 212 18, remap_file_pages 216 234
        },
    },
    Group {
        name: "the kernel's own probes",
        ruling: Ruling::Absent,
        reason: "The kernel puts them into a process that its administrator looks at, and lets them pass every \
            filter; it ends a process that makes them by itself.",
        calls: calls! {
            uretprobe 335 -, uprobe 336 -
        },
    },
];

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
