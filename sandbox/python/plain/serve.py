import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import traceback  # noqa: E402

# One task after the other, each in a copy of this process, which has imported what each of them would import.
gc.freeze()  # noqa: F821
for line in sys.stdin:  # noqa: F821
    task = json.loads(line)  # noqa: F821
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            log = os.open(task["log"], os.O_WRONLY | os.O_CREAT, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            signal.alarm(task["wall"])
            resource.setrlimit(resource.RLIMIT_CPU, (task["cpu"], task["cpu"]))
            main(task)  # noqa: F821
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()  # noqa: F821
            os._exit(code)
    _, status, usage = os.wait4(pid, 0)
    ended = {
        "code": os.waitstatus_to_exitcode(status),
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
    }
    print(json.dumps(ended), flush=True)  # noqa: F821
