"""Attacks the processes around it: argv is the pid of a process outside, which stands for the fork server."""

import ctypes
import fcntl
import os
import resource
import signal
import sys

from attempt import attempt

bystander = int(sys.argv[1])
parent = os.getppid()
library = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH = 16
PR_SET_PDEATHSIG = 1


def call(function, *arguments):
    ctypes.set_errno(0)
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def owned_by(pid):
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, pid)
    fcntl.fcntl(reader, 10, signal.SIGKILL)
    flags = fcntl.fcntl(reader, fcntl.F_GETFL)
    fcntl.fcntl(reader, fcntl.F_SETFL, flags | os.O_ASYNC)
    os.write(writer, b"x")


attempt("kill parent", lambda: os.kill(parent, signal.SIGKILL))
attempt("stop parent", lambda: os.kill(parent, signal.SIGSTOP))
attempt("kill bystander", lambda: os.kill(bystander, signal.SIGKILL))
attempt("queue a signal", lambda: call(library.sigqueue, parent, signal.SIGKILL, 0))
attempt("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(parent), signal.SIGKILL))
attempt("trace parent", lambda: call(library.ptrace, PTRACE_ATTACH, parent, 0, 0))
attempt("limit parent", lambda: resource.prlimit(parent, resource.RLIMIT_CPU, (1, 1)))
attempt("limit bystander", lambda: resource.prlimit(bystander, resource.RLIMIT_CPU, (1, 1)))
attempt("pin bystander", lambda: os.sched_setaffinity(bystander, {0}))
attempt("pin parent", lambda: os.sched_setaffinity(parent, {0}))
attempt("idle bystander", lambda: os.sched_setscheduler(bystander, os.SCHED_IDLE, os.sched_param(0)))
attempt("slow bystander", lambda: os.setpriority(os.PRIO_PROCESS, bystander, 19))
attempt("slow the user", lambda: os.setpriority(os.PRIO_USER, 0, 19))
attempt("outlive the supervisor", lambda: call(library.prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0))
attempt("new namespace", lambda: call(library.unshare, 0x10000000))
attempt("mount", lambda: call(library.mount, b"none", b"/tmp", b"tmpfs", 0, None))
attempt("change root", lambda: os.chroot("/"))

# The kernel calls these a success even where every single signal was refused; the bystander tells. It waits for SIGURG,
# which everybody else ignores: were this contained badly, another signal would take the machine down.
for action in (lambda: owned_by(bystander), lambda: os.kill(-1, signal.SIGURG)):
    try:
        action()
    except OSError:
        pass
print("still here", flush=True)
