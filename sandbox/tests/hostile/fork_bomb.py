"""Forks until there are 1024 of it, all spinning: enough to be far over any limit a test sets, and to starve a watchdog
that is not well made, without taking the machine down with it. Every process holds `lock`, which is free again only
when all of them are dead."""

import fcntl
import os

lock = os.open("lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
for _ in range(10):
    try:
        os.fork()
    except OSError:
        pass
while True:
    pass
