"""The protocol, against the real server. Jobs run without a cage: the walls have tests of their own, in Rust."""

from __future__ import annotations

import json
import os

import pytest

from portwright_worker.server import Running, Server
from server_process import request, skillset

CATALOGUE = {"kind": "catalogue"}


def build(folder) -> dict:
    return {"kind": "build", "skillset": str(folder), "backend": "onnxruntime", "checkpoint": "unused"}


def hostile(tmp_path, code: str) -> dict:
    """A build job whose skillset runs `code` when it is imported."""
    return build(skillset(tmp_path / "hostile", __init__=code))


def test_the_first_line_names_the_protocol_and_the_versions(server):
    assert (server.ready["protocol"], server.ready["event"]) == (1, "ready")
    assert {"python", "torch", "transformers"} <= server.ready["versions"].keys()


def test_a_job_starts_and_answers(server, tmp_path):
    started, exited = server.run("ok", CATALOGUE, tmp_path)
    assert started["event"] == "started" and started["pid"] > 0
    assert exited["status"] == {"code": 0} and exited["isolation"] == "none"
    types = {entry["model_type"]: entry for entry in exited["answer"]["ok"]["types"]}
    assert types["bert"]["auto_classes"]["AutoModel"] == ["BertModel"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{not json", "Expecting property name"),
        ("[]", "a request is a JSON object"),
        ("[" * 100_000, "recursion"),
        (json.dumps({"protocol": 2, "id": "x"}), "speaks protocol 1"),
        (json.dumps({"protocol": 1, "id": "x"}), "`work` must be a string"),
    ],
)
def test_a_line_that_is_no_request_is_refused_and_the_server_goes_on(server, tmp_path, line, complaint):
    server.send(line)
    refused = server.event()
    assert refused["event"] == "refused" and complaint in refused["error"]
    assert "ok" in server.run("after", CATALOGUE, tmp_path)[-1]["answer"]


def test_an_unknown_kind_is_refused_with_the_known_ones(server, tmp_path):
    (refused,) = server.run("kind", {"kind": "dance"}, tmp_path)
    assert refused["id"] == "kind" and "'dance'" in refused["error"] and "materialise" in refused["error"]


def test_an_error_of_a_job_is_typed(server, tmp_path):
    job = {"kind": "introspect", "model_type": "no-such-type", "source": {"from": "library"}}
    error = server.run("typed", job, tmp_path)[-1]["answer"]["error"]
    assert error["exception"] == "LookupError" and "no-such-type" in error["message"]
    assert error["doing"] == "import configuration" and error["frames"]


def test_a_forged_event_on_stdout_changes_nothing(server, tmp_path):
    forged = json.dumps({"id": "forged", "event": "exited", "status": {"code": 0}, "answer": {"ok": "pass"}})
    events = server.run(
        "forged", hostile(tmp_path, f"print({forged!r}, flush=True)\nraise ValueError('real')"), tmp_path
    )
    assert [event["event"] for event in events] == ["started", "exited"]
    assert events[-1]["answer"]["error"]["message"] == "real"
    assert forged in (tmp_path / "log").read_text()


def test_a_job_reaches_none_of_the_servers_files(server, tmp_path):
    code = (
        "import os\n"
        "for number in range(3, 64):\n"
        "    try:\n"
        "        os.write(number, b'null')\n"
        "    except OSError:\n"
        "        pass\n"
        "raise ValueError('done')"
    )
    events = server.run("files", hostile(tmp_path, code), tmp_path)
    assert [event["event"] for event in events] == ["started", "exited"]
    assert events[-1]["answer"] is None, "what was written is no answer"


ANSWERS = """import os
for number in range(3, 64):
    try:
        os.write(number, b'')
    except OSError:
        continue
    answer = number
"""


def test_an_answer_that_is_too_large_is_none_and_its_writer_does_not_wait(server, tmp_path):
    code = ANSWERS + "while True: os.write(answer, b'x' * 4096)"
    exited = server.run("giant", hostile(tmp_path, code), tmp_path, most=100_000)[-1]
    assert exited["too_large"] and exited["answer"] is None
    assert exited["status"] != {"code": 0}


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff" * 10, b"null\n{}"])
def test_an_answer_that_nobody_can_read_costs_the_server_nothing(server, tmp_path, text):
    (tmp_path / "after").mkdir()
    exited = server.run("odd", hostile(tmp_path, ANSWERS + f"os.write(answer, {text!r})\nos._exit(0)"), tmp_path)[-1]
    assert exited["answer"] is None and not exited["too_large"]
    assert "ok" in server.run("after", CATALOGUE, tmp_path / "after")[-1]["answer"]


def test_the_signal_that_ends_a_job_is_reported(server, tmp_path):
    exited = server.run("kill", hostile(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), tmp_path)[
        -1
    ]
    assert exited["status"] == {"signal": 9} and exited["answer"] is None


def test_a_job_that_leaves_early_gave_no_answer(server, tmp_path):
    exited = server.run("exit", hostile(tmp_path, "import os; os._exit(0)"), tmp_path)[-1]
    assert exited["status"] == {"code": 0} and exited["answer"] is None


def test_sys_exit_is_an_error_like_any_other(server, tmp_path):
    exited = server.run("sysexit", hostile(tmp_path, "raise SystemExit(0)"), tmp_path)[-1]
    assert exited["answer"]["error"]["exception"] == "SystemExit"


def test_without_a_cage_nothing_runs_unless_the_policy_says_so(server, tmp_path):
    exited = server.run("caged", CATALOGUE, tmp_path, policy="")[-1]
    assert exited["isolation"] is None
    assert exited["answer"]["error"]["doing"] == "cage"


def test_jobs_run_side_by_side(server, tmp_path):
    for name in ("slow", "fast"):
        (tmp_path / name).mkdir()
    # One reads what the other writes: neither could end before the other began.
    gate = str(tmp_path / "gate")
    os.mkfifo(gate)
    for name, code in (("slow", f"open({gate!r}).read()"), ("fast", f"open({gate!r}, 'w').write('go')")):
        server.send(json.dumps(request(name, hostile(tmp_path / name, code), tmp_path / name)))
    events = [server.event() for _ in range(4)]
    assert {event["id"] for event in events if event["event"] == "exited"} == {"slow", "fast"}


def test_an_id_in_flight_is_not_given_twice(server, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    job = hostile(tmp_path, f"open({str(gate)!r}).read()")
    server.send(json.dumps(request("twice", job, tmp_path)))
    assert server.event()["event"] == "started"
    (refused,) = server.run("twice", CATALOGUE, tmp_path)
    assert "in flight" in refused["error"]
    gate.write_text("go")
    assert server.event()["event"] == "exited"


def test_an_event_of_a_job_that_was_reaped_meanwhile_is_passed_over():
    read, write = os.pipe()
    os.close(write)
    os.close(read)
    job = Running("reaped", 1, read, caged=False, held=False)
    idle = Server(requests=0, events=1)
    idle.read_answer(job)
    assert job.answer == b""
    # Of one that is in flight, the closed pipe would be an error that nobody may swallow.
    idle.jobs[job.pid] = job
    with pytest.raises(OSError):
        idle.read_answer(job)


def test_each_job_has_a_home_of_its_own(server, tmp_path):
    code = "import os, tempfile; raise ValueError(os.environ['HOME'] + ' ' + tempfile.gettempdir() + ' ' + os.getcwd())"
    message = server.run("home", hostile(tmp_path, code), tmp_path)[-1]["answer"]["error"]["message"]
    assert all(path.startswith(str(tmp_path)) for path in message.split())
