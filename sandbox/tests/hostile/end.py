"""Ends in the way its argument says."""

import ctypes
import os
import sys

match sys.argv[1]:
    case "abort":
        os.abort()
    case "segfault":
        ctypes.string_at(0)
    case "abort in a child":
        pid = os.fork()
        if pid == 0:
            os.abort()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    case code:
        sys.exit(int(code))
