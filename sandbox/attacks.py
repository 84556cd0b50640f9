"""Small attacks, one per guarantee: what they try, and how to tell from outside whether it worked.

Each prints ``HOLDS`` when the boundary stopped it and says what it could do otherwise. They are safe to run
where nothing stops them: victims are started for the purpose, system calls get arguments that do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.api import Limits, Result, Verdict
from sandbox.guard import kernel, seccomp

_SMALL = Limits(wall_s=10.0, memory_mb=256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """One attack.

    Args:
        name: The guarantee that it tries.
        source: The Python program; ``{name}`` stands for a value that the doctor prepares.
        enforced_by: What stops it, by backend family: ``kernel`` (a boundary of kernel namespaces or a
            container), ``confined`` and ``process``; empty where nothing does.
        repair: How to get the guarantee where it does not hold.
        holds: Judges by the result; by default the program ended well and printed ``HOLDS``.
        limits: Limits to run it under.
        fetch: Files to ask for.
    """

    name: str
    source: str
    enforced_by: Mapping[str, str]
    repair: str
    holds: Callable[[Result], bool] = lambda result: (
        result.verdict is Verdict.OK and result.stdout.rstrip().endswith(b"HOLDS")
    )
    limits: Limits = field(default=_SMALL)
    fetch: tuple[str, ...] = ()


_BOUNDARY = "use backend docker or namespace"
_GROUP = "let this user make control groups: systemd-run --user --scope -p Delegate=yes opencoder ..."

_NETWORK = """
import os, socket
reached, sockets = [], 0
for family, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, "\\0{abstract}")):
    try:
        probe = socket.socket(family)
    except OSError:
        continue
    sockets += 1
    with probe:
        probe.settimeout(2)
        try:
            probe.connect(address)
            reached.append(str(address))
        except OSError:
            pass
others = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
reached += [name for name in others if name != "lo" and sockets]
print("reached", reached) if reached else print("HOLDS")
"""

_HOST_FILES = """
import os
done = []
for path in {secrets!r}:
    try:
        if {marker!r} in open(path).read():
            done.append("read " + path)
    except OSError:
        pass
for folder in ("/usr/bin", "/etc", "/opt", os.path.dirname({secrets!r}[0])):
    name = folder + "/{marker}.escape"
    try:
        open(name, "w").close()
        os.unlink(name)
        done.append("wrote to " + folder)
    except OSError:
        pass
print(done) if done else print("HOLDS")
"""

_ENVIRONMENT = """
import os
found = [name for name in os.environ if {marker!r} in os.environ[name]]
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if {marker!r}.encode() in open("/proc/" + pid + "/environ", "rb").read():
            found.append("/proc/" + pid)
    except OSError:
        pass
print("found in", found) if found else print("HOLDS")
"""

_KILL = """
import os, signal
try:
    os.kill({victim}, signal.SIGKILL)
    print("killed")
except OSError:
    print("HOLDS")
"""

_SURVIVOR = """
import os
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "{sleep}"])
        os._exit(0)
print("HOLDS")
"""

_MEMORY = """
import os, time
reader, writer = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        block = b"x" * (40 << 20)
        os.write(writer, b"1")
        time.sleep(5)
        os._exit(0)
got, end = b"", time.monotonic() + 3
os.set_blocking(reader, False)
while len(got) < 4 and time.monotonic() < end:
    try:
        got += os.read(reader, 4)
    except BlockingIOError:
        time.sleep(0.02)
alive = len(got) == 4 and os.waitpid(-1, os.WNOHANG) == (0, 0)  # the kernel may kill one to make room
print("holds 160 MiB") if alive else print("HOLDS")
"""

_PIDS = """
import os, time
num = 0
try:
    for num in range(64):
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
    print("forked", num)
except OSError:
    print("HOLDS" if num <= 16 else num)
"""

_DISK = """
import os
written = 0
try:
    for number in range(32):
        with open("part%d" % number, "wb") as file:
            written += file.write(b"x" * (1 << 20))
    print("wrote", written)
except OSError:
    print("HOLDS" if written <= 8 << 20 else written)
"""

_PRIVILEGES = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
bad = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
if status["NoNewPrivs"].strip() != "1":
    bad.append("NoNewPrivs")
try:
    os.setuid(0)
    bad.append("setuid")
except OSError:
    pass
print(bad) if bad else print("HOLDS")
"""

# Arguments of -1 mean nothing to any of these calls: the kernel itself answers EFAULT, EINVAL and the like,
# only a filter answers EPERM or ENOSYS. Each is made in a child, for ptrace ties a process to its parent.
_SYSTEM_CALLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
allowed = []
for name, arguments in {calls!r}:
    pid = os.fork()
    if pid == 0:
        libc.syscall(*[ctypes.c_long(value) for value in arguments])
        os._exit(0 if ctypes.get_errno() in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT) else 1)
    if os.waitpid(pid, 0)[1]:
        allowed.append(name)
print("allowed", allowed) if allowed else print("HOLDS")
"""

FRESH_PLANT = """
import os
for folder in (".", "/tmp", "/var/tmp", "/dev/shm", os.environ.get("TMPDIR", "/tmp")):
    try:
        open(folder + "/{marker}", "w").close()
    except OSError:
        pass
print("HOLDS")
"""

_FRESH = """
import os
places = (".", "/tmp", "/var/tmp", "/dev/shm", os.environ.get("TMPDIR", "/tmp"))
found = [folder for folder in places if os.path.exists(folder + "/{marker}")]
for folder in found:
    os.unlink(folder + "/{marker}")
print("found in", found) if found else print("HOLDS")
"""

_LINK = """
import os
os.symlink({secrets!r}[0], "out.txt")
os.symlink(os.path.dirname({secrets!r}[0]), "folder")
print("HOLDS")
"""


def system_calls() -> list[tuple[str, list[int]]]:
    """Return system calls that must be refused, each with harmless arguments behind its number."""
    column = 0 if kernel.MACHINE == "x86_64" else 1
    names = ("mount", "keyctl", "clock_settime", "io_uring_setup", "bpf", "perf_event_open", "userfaultfd")
    numbers = {name: seccomp.REFUSED[name][column] for name in ("ptrace", *names)}
    calls = [(name, [number, -1, -1, -1, -1, -1]) for name, number in numbers.items() if number is not None]
    return [*calls, ("setns", [seccomp.REFUSED["setns"][column] or 0, -1, -1])]


def _ended_by(*verdicts: Verdict) -> Callable[[Result], bool]:
    return lambda result: result.verdict in verdicts


ATTACKS = (
    Attack(
        name="network",
        source=_NETWORK,
        enforced_by={
            "kernel": "a network namespace that holds nothing but its own loopback",
            "confined": "a seccomp filter that refuses sockets",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="host_files",
        source=_HOST_FILES,
        enforced_by={
            "kernel": "a mount namespace with system programs read-only and one sized tmpfs",
            "confined": "a user id of its own, or Landlock; what all users may read stays readable",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="environment",
        source=_ENVIRONMENT,
        enforced_by={
            "kernel": "a fixed environment and a /proc of its own",
            "confined": "a fixed environment, and a user id of its own or Landlock",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="process_isolation",
        source=_KILL,
        enforced_by={
            "kernel": "a PID namespace and a user id of its own",
            "confined": "a user id of its own, or a filter that refuses signals to others",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="survivors",
        source=_SURVIVOR,
        enforced_by={
            "kernel": "the end of the PID namespace, which the kernel makes the end of all in it",
            "confined": "a signal to all that its user runs, or a search of all descendants",
            "process": "a search of all descendants, orphans included, after the program's end",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="memory",
        source=_MEMORY,
        enforced_by={
            "kernel": "a control group over all processes",
            "confined": "a watcher that looks the more often the less is left, and rlimits",
            "process": "a control group over all processes, or a watcher",
        },
        repair=_GROUP,
        limits=Limits(wall_s=8.0, memory_mb=96),
        holds=lambda result: b"holds" not in result.stdout and result.verdict is not Verdict.SANDBOX_ERROR,
    ),
    Attack(
        name="processes",
        source=_PIDS,
        enforced_by={
            "kernel": "a control group, or RLIMIT_NPROC",
            "confined": "RLIMIT_NPROC",
            "process": "a control group, or RLIMIT_NPROC",
        },
        repair=_GROUP,
        limits=Limits(wall_s=8.0, pids=16),
        holds=lambda result: result.stdout.startswith(b"HOLDS"),
    ),
    Attack(
        name="disk",
        source=_DISK,
        enforced_by={
            "kernel": "a sized tmpfs, the only place that can be written",
            "confined": "a watcher over its folders, and RLIMIT_FSIZE",
            "process": "a watcher over its folders, and RLIMIT_FSIZE",
        },
        repair=_BOUNDARY,
        limits=Limits(wall_s=8.0, disk_mb=8),
        holds=lambda result: result.verdict is Verdict.DISK or result.stdout.startswith(b"HOLDS"),
    ),
    Attack(
        name="output",
        source="while True: print('x' * 1000)",
        enforced_by={
            "kernel": "the supervisor, which stops reading and kills",
            "confined": "the supervisor, which stops reading and kills",
            "process": "the supervisor, which stops reading and kills",
        },
        repair=_BOUNDARY,
        limits=Limits(wall_s=8.0, output_bytes=10_000),
        holds=lambda result: result.verdict is Verdict.OUTPUT and len(result.stdout) <= 10_000,
    ),
    Attack(
        name="cpu_time",
        source="import os\nos.fork()\nwhile True: pass",
        enforced_by={
            "kernel": "the CPU clock of all processes",
            "confined": "the CPU clock of all processes",
            "process": "the CPU clock of all processes",
        },
        repair=_GROUP,
        limits=Limits(wall_s=20.0, cpu_s=0.5),
        holds=lambda result: result.verdict is Verdict.TIMEOUT and result.cpu_s < 3.0,
    ),
    Attack(
        name="wall_time",
        source="import signal, time\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ntime.sleep(60)",
        enforced_by={
            "kernel": "the warden's clock, and the supervisor's behind it",
            "confined": "the warden's clock, and the supervisor's behind it",
            "process": "the warden's clock, and the supervisor's behind it",
        },
        repair=_BOUNDARY,
        limits=Limits(wall_s=1.0),
        holds=_ended_by(Verdict.TIMEOUT),
    ),
    Attack(
        name="privileges",
        source=_PRIVILEGES,
        enforced_by={
            "kernel": "a user id that is nobody outside, no capability, and no way to gain any",
            "confined": "no capability, and no way to gain any",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="system_calls",
        source=_SYSTEM_CALLS,
        enforced_by={
            "kernel": "a seccomp filter (ptrace, mount, keyctl, clock setters, io_uring and more)",
            "confined": "a seccomp filter (ptrace, mount, keyctl, clock setters, io_uring and more)",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="fresh_state",
        source=_FRESH,
        enforced_by={
            "kernel": "file systems that are made for one program and end with it",
            "confined": "the removal of all that its user has left, or Landlock",
        },
        repair=_BOUNDARY,
    ),
    Attack(
        name="file_return",
        source=_LINK,
        enforced_by={
            "kernel": "an opening of each path component that follows no link",
            "confined": "an opening of each path component that follows no link, with its user's rights",
            "process": "an opening of each path component that follows no link",
        },
        repair=_BOUNDARY,
        fetch=("out.txt", "folder/secret"),
        holds=lambda result: result.verdict is Verdict.OK and not result.files,
    ),
)
"""In the order in which they are told."""
