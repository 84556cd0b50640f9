import io
import json
import os
import pty
import subprocess
import sys

import pytest

from opencoder import log
from opencoder.store import read_jsonl


@pytest.fixture(autouse=True)
def _unconfigured():
    yield
    log.logger.handlers.clear()
    log.logger.propagate = True
    log.logger.setLevel("NOTSET")


def lines_of(total, num, *, every_s, statuses=("passed",), already=0):
    out = io.StringIO()
    with log.progress(
        "scoring", total, stream=out, quiet=False, every_s=every_s, already=already
    ) as progress:
        for i in range(num):
            progress.advance(status=statuses[i % len(statuses)])
    return out.getvalue().splitlines()


def test_plain_progress_is_a_first_and_a_last_line():
    first, last = lines_of(50, 50, every_s=30, statuses=("passed", "passed", "failed"))
    assert first == "scoring: 0/50"
    assert last.startswith("scoring: 50/50, ")
    assert last.endswith(", passed 34, failed 16")
    assert "left" not in last


def test_plain_progress_tells_rate_and_time_left():
    lines = lines_of(3, 2, every_s=0)
    assert [line.split(",")[0] for line in lines] == ["scoring: 0/3", "scoring: 1/3", "scoring: 2/3"]
    assert "/s, 0:00 gone, 0:00 left, passed 2" in lines[-1]


def test_units_of_earlier_sessions_count_but_not_for_the_rate():
    out = io.StringIO()
    progress = log.progress("x", 10, already=8, stream=out, quiet=False)
    assert (progress.done, progress.rate, progress.eta_s) == (8, 0, None)
    progress.advance()
    assert progress.eta_s == pytest.approx(1 / progress.rate, rel=0.5)


def test_quiet_shows_nothing(capsys):
    log.configure(quiet=True)
    with log.progress("x", 2) as progress:
        progress.advance(2, status="passed")
    log.logger.info("hidden")
    log.logger.warning("shown")
    assert progress.counts == {"passed": 2}
    assert capsys.readouterr().err == "warning: shown\n"


@pytest.mark.parametrize(("env", "colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_a_bar(env, colour):
    code = (
        "from opencoder import log\n"
        "log.configure()\n"
        "with log.progress('scoring', 2) as p:\n"
        "    p.advance(status='passed'); log.logger.info('a line'); p.advance(status='[failed]')\n"
    )
    ours, theirs = pty.openpty()
    env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "100", **env}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, stdout=theirs, env=env)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # the other end has gone
        pass
    os.close(ours)
    assert child.wait() == 0
    text = shown.decode()
    assert "2/2" in text
    assert "passed 1 [failed] 1" in text
    assert "a line\r\n" in text
    assert ("\x1b[3" in text) == colour


def test_the_json_log_holds_what_was_logged(tmp_path):
    log.configure(quiet=True)
    log.logger.setLevel("INFO")
    with log.logging_to(tmp_path / "log.jsonl"):
        log.logger.getChild("eval").info("scored %d", 3)
        try:
            raise ValueError("odd")
        except ValueError:
            log.logger.exception("failed")
    log.logger.info("after")
    first, second = read_jsonl(tmp_path / "log.jsonl")
    assert (first["level"], first["logger"], first["message"]) == ("info", "opencoder.eval", "scored 3")
    assert second["traceback"].endswith("ValueError: odd")


def test_emit_is_one_json_object_or_text(capsys):
    log.emit({"a": 1}, json=True, text="text")
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    log.emit({"a": 1}, json=False, text=lambda: "text\n")
    assert capsys.readouterr().out == "text\n"
