"""A fork server in small: argv is the cage library, a policy file, and what the job is to do.

Prints the pid of the job's supervisor, then, when the job has ended, its code; the job prints the mode it is in.
"""

import ctypes
import fcntl
import os
import signal
import sys

library, policy, task = sys.argv[1:]
enter = ctypes.CDLL(library).portwright_cage_enter
enter.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
with open(policy, "rb") as file:
    text = file.read()

told, tell = os.pipe()
pid = os.fork()
if pid == 0:
    # The supervisor's line comes first, however the two processes are scheduled.
    os.close(tell)
    os.read(told, 1)
    os.close(told)
    message = ctypes.create_string_buffer(4096)
    if enter(text, message, len(message)) != 0:
        print(message.value.decode(), flush=True)
        os._exit(99)
    print(f"mode {message.value.decode()}", flush=True)
    if task == "hold":
        lock = os.open("lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fork() != 0:
            print("holding", flush=True)
        while True:
            signal.pause()
    if task == "eat":
        held = []
        while True:
            held.append(bytearray(b"x" * (8 << 20)))
    os._exit(int(task))
print(f"supervisor {pid}", flush=True)
os.close(tell)
print(f"code {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}", flush=True)
