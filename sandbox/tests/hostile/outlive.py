"""Leaves something in the kernel for a later job to find: argv is a name that nobody else uses."""

import ctypes
import os
import sys

from attempt import attempt

name = sys.argv[1]
key = int(name, 16) & 0x7FFFFFFF
library = ctypes.CDLL(None, use_errno=True)
library.sem_open.restype = ctypes.c_void_p
IPC_CREAT = 0o1000
POSIX_SEM_FAILED = None


def call(function, *arguments):
    ctypes.set_errno(0)
    if function(*arguments) in (-1, POSIX_SEM_FAILED):
        raise OSError(ctypes.get_errno(), "refused")


path = f"/{name}".encode()
flags = os.O_CREAT | os.O_RDWR
attempt("System V queue", lambda: call(library.msgget, key, IPC_CREAT | 0o600))
attempt("System V semaphore", lambda: call(library.semget, key, 1, IPC_CREAT | 0o600))
attempt("System V memory", lambda: call(library.shmget, key, ctypes.c_size_t(4096), IPC_CREAT | 0o600))
attempt("POSIX queue", lambda: call(library.mq_open, path, flags, 0o600, None))
attempt("POSIX semaphore", lambda: call(library.sem_open, path, flags, 0o600, 1))
attempt("POSIX memory", lambda: call(library.shm_open, path, flags, 0o600))
attempt(
    "key", lambda: call(library.syscall, 248 if os.uname().machine == "x86_64" else 217, b"user", path, b"x", 1, -5)
)
# The life of a file in the program's own folder, and its attributes.
own = os.open(sys.argv[0], os.O_RDONLY)
attempt("hint on a file", lambda: call(library.fcntl, own, 1036, ctypes.byref(ctypes.c_uint64(2))))
attempt("lease on a file", lambda: call(library.fcntl, own, 1024, 0))
attempt(
    "flags of a file", lambda: call(library.ioctl, own, ctypes.c_ulong(0x40086602), ctypes.byref(ctypes.c_long(0x40)))
)
attempt("attribute of a file", lambda: os.setxattr(sys.argv[0], "user.note", b"1"))
