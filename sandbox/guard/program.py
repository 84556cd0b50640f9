"""The last steps before a program, and the ways to run one. Everything here ends with the process."""

from __future__ import annotations

import atexit
import builtins
import os
import signal
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, NoReturn

from . import kernel, rootfs

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {
    "PATH": _PATH,
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "USER": "sandbox",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# The streams of a program, by the names that jobs use; ``channel`` and ``payload`` serve the Python roles.
STREAMS = ("stdin", "stdout", "stderr")


def environment(job: dict[str, Any]) -> dict[str, str]:
    """Return the whole environment of the program: nothing is inherited.

    Behind a boundary /tmp is the program's own; elsewhere its own folder stands in.
    """
    home = job["home"]
    folders = {"HOME": f"{home}/work", "TMPDIR": "/tmp" if home == rootfs.HOME else f"{home}/tmp"}
    return {**ENVIRONMENT, **folders, **job["env"]}


def start(job: dict[str, Any], phase: str, fds: dict[str, int], seal: Callable[[], None]) -> int:
    """Fork the program of ``phase`` (``compile`` or ``run``); returns its pid, in the parent only.

    ``seal`` gives it its limits and takes its rights, in the child.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 127
    try:
        prepare(job, fds, seal)
        code = run_phase(job, phase, fds, environment(job))
    except OSError as error:
        os.write(2, f"cannot start: {error}\n".encode())
    finally:
        os._exit(code)


def prepare(job: dict[str, Any], fds: dict[str, int], seal: Callable[[], None]) -> None:
    """Give this process the program's streams, folder, limits and rights; there is no way back."""
    os.setsid()
    kernel.set_dumpable(True)  # the warden is not; /proc/self must be the program's own
    kernel.handle_signal(
        signal.SIGCHLD, signal.SIG_DFL
    )  # the zygote and the interpreter set no other handlers
    kernel.handle_signal(signal.SIGINT, signal.default_int_handler)
    kernel.handle_signal(signal.SIGXFSZ, signal.SIG_DFL)
    kernel.handle_signal(signal.SIGPIPE, signal.SIG_IGN)
    for number, name in enumerate(STREAMS):
        os.dup2(fds[name], number)
    kept = sorted({fds[name] for name in ("channel", "payload") if fds[name] > 2})
    low = 3
    for fd in kept:
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, kernel.HIGHEST_FD)
    kernel.write_file("/proc/self/oom_score_adj", "1000")  # the kernel ends the program before the warden
    os.chdir(f"{job['home']}/work")
    os.umask(0o022)
    seal()


def run_phase(job: dict[str, Any], phase: str, fds: dict[str, int], env: dict[str, str]) -> int:
    """Become the command of ``phase``, or run the Python role in this interpreter; returns its exit code."""
    argv = job["compile"] if phase == "compile" else job["run"]
    if argv is not None:
        for fd in (fds["channel"], fds["payload"]):
            if fd > 2:
                os.close(fd)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvpe(argv[0], [*argv, *job["args"]] if phase == "run" else argv, env)
    set_environment(env)
    return _run_python(job, fds)


def set_environment(env: dict[str, str]) -> None:
    """Make ``env`` the whole environment; what is there already is not touched."""
    for name in os.environ.keys() - env.keys():
        del os.environ[name]
    for name, value in env.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _run_python(job: dict[str, Any], fds: dict[str, int]) -> int:
    """Run a Python role in this interpreter, which was forked warm."""
    from . import checker, cooperative, solution, trials

    path = f"{job['home']}/work/{job['filename']}"
    sys.argv = [path, *job["args"]]
    sys.path.insert(0, f"{job['home']}/work")
    # ``atexit`` and threads of the program are its own business; those of the zygote end here.
    atexit._clear()
    roles: dict[str, Callable[[], None]] = {
        "script": lambda: run_script(path, job["source"]),
        "solution": lambda: solution.serve(job, fds["channel"], fds["payload"]),
        "checker": lambda: checker.run(job, fds["channel"]),
        "cooperative": lambda: cooperative.run(job, fds["channel"]),
        "trials": lambda: trials.run(job, fds["channel"], fds["payload"]),
    }
    return finish(roles[job["role"]])


def open_streams() -> None:
    """Make the text layers of the standard streams as programs get them; the descriptors may come later."""
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    for name in STREAMS:
        setattr(sys, f"__{name}__", getattr(sys, name))


def run_script(path: str, source: bytes) -> None:
    """Run ``source`` as the main module."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins)
    sys.modules["__main__"] = main
    exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)


def finish(body: Callable[[], None]) -> int:
    """Run ``body`` and wind up as the interpreter would: traceback, threads, exit hooks, flush."""
    code = 0
    try:
        body()
    except SystemExit as error:
        code = _exit_code(error)
    except BaseException as error:  # noqa: BLE001  (the program's own, shown as the interpreter would)
        code = 1
        _show(error)
    for step in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
        try:
            step()
        except SystemExit as error:
            code = _exit_code(error)
        except BaseException as error:  # noqa: BLE001
            _show(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001  (closed or replaced by the program)
            code = code or 120
    return code


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def _show(error: BaseException) -> None:
    """Print the traceback without the frames of this package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    try:
        sys.excepthook(type(error), error.with_traceback(trace), trace)
    except BaseException:  # noqa: BLE001  (a hook of the program)
        pass


def abort(message: str) -> NoReturn:
    """End a role that cannot go on."""
    raise SystemExit(message)
