"""The root folder that programs see on the host: system programs read-only, nothing of the user's.

Built once by the zygote in its own mount namespace, out of bind mounts. What a program may write to
(``/sandbox``) is mounted afresh for each program by ``boundary``.
"""

from __future__ import annotations

import os
import stat

from . import kernel

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "mime.types")
_DEVICES = ("null", "zero", "full", "random", "urandom")
# Where programs may write; each is a link into the one sized tmpfs of the program.
WRITABLE = {"/tmp": "tmp", "/var/tmp": "tmp", "/dev/shm": "shm", "/work": "work"}
HOME = "/sandbox"
UID = 1000
_MASKED = ("/usr/local/lib/docker", "/usr/src")

_FILES = {
    "/etc/passwd": "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
    f"sandbox:x:{UID}:{UID}:sandbox:{HOME}/work:/bin/sh\n",
    "/etc/group": f"root:x:0:\nsandbox:x:{UID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def enter(staging: str, shown: list[str], hidden: list[str], packages: dict[str, str]) -> None:
    """Build the root below ``staging``, an empty folder, and make it the root of this process.

    Args:
        staging: Empty folder; only this process's mount namespace sees what is mounted there.
        shown: More folders to show read-only at their own path (the interpreter's prefix).
        hidden: Folders to cover by an empty one (site-packages, which may hold benchmark answers).
        packages: Importable packages to show, name in ``/opt/packages`` -> path on the host.
    """
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", staging, "tmpfs", kernel.MS_NOSUID, "size=1m,nr_inodes=1024,mode=755")
    for path in _SYSTEM:
        _show(staging, path)
    for path in shown:
        if not any(path.startswith(system + "/") for system in _SYSTEM):
            _show(staging, path)
    for name in _ETC:
        _show(staging, "/etc/" + name)
    for name, source in packages.items():
        _bind(source, f"{staging}/opt/packages/{name}", read_only=True)
    for path in [*hidden, *_MASKED]:
        if os.path.isdir(staging + path):
            kernel.mount("tmpfs", staging + path, "tmpfs", kernel.MS_RDONLY, "size=4k,nr_inodes=2,mode=555")
    for path, text in _FILES.items():
        os.makedirs(os.path.dirname(staging + path), exist_ok=True)
        with open(staging + path, "w", encoding="ascii") as file:
            file.write(text)
    _make_devices(staging)
    os.makedirs(f"{staging}{HOME}")
    for link, target in WRITABLE.items():
        os.makedirs(os.path.dirname(staging + link), exist_ok=True)
        os.symlink(f"{HOME}/{target}", staging + link)
    os.makedirs(f"{staging}/proc")
    _bind("/proc", f"{staging}/proc", read_only=False)
    os.makedirs(f"{staging}/old")
    kernel.pivot_root(staging, f"{staging}/old")
    os.chdir("/")
    kernel.unmount("/old")
    os.rmdir("/old")
    kernel.mount("none", "/", None, kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID)


def _make_devices(staging: str) -> None:
    os.makedirs(f"{staging}/dev", exist_ok=True)
    for name in _DEVICES:
        _bind(f"/dev/{name}", f"{staging}/dev/{name}", read_only=False)
    for link, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{staging}/dev/{link}")


def _show(staging: str, path: str) -> None:
    """Show ``path`` at its own place: a link as the same link, a file or folder by a read-only bind."""
    if os.path.islink(path) and not os.path.isabs(os.readlink(path)):
        os.makedirs(os.path.dirname(staging + path), exist_ok=True)
        os.symlink(os.readlink(path), staging + path)
    elif os.path.exists(path):
        _bind(path, staging + path, read_only=True)


def _bind(source: str, target: str, *, read_only: bool) -> None:
    source = os.path.realpath(source)
    if stat.S_ISDIR(os.stat(source).st_mode):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="ascii"):
            pass
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    if read_only:
        kept = _locked_flags(target)
        flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kept
        kernel.mount("none", target, None, flags)


def _locked_flags(path: str) -> int:
    """Flags that an unprivileged user namespace may not clear on a remount must be repeated."""
    value = os.statvfs(path).f_flag
    pairs = ((os.ST_NODEV, kernel.MS_NODEV), (os.ST_NOEXEC, kernel.MS_NOEXEC))
    return sum(flag for bit, flag in pairs if value & bit)
