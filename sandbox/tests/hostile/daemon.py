"""Leaves a daemon: forked twice, in a session of its own, deaf to polite signals. It holds `lock` while alive."""

import fcntl
import os
import signal

told, tell = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        lock = open("lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(tell, b"x")
        while True:
            signal.pause()
    os._exit(0)
os.wait()
os.read(told, 1)
print("daemon is up", flush=True)
