"""Keep the tree free of what belongs to one machine: package-registry hosts, local paths, private keys.

Looks at every file that git knows or would add. A dependency is named by version and hash; where it comes
from is a setting of the machine that installs it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# None of these expressions matches its own text, so this file needs no exception.
FORBIDDEN = {
    "package-registry host": re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|crates\.io|"
        r"(?:deb|ftp|security)\.debian\.org|docker\.io/|ghcr\.io/|--(?:extra-)?index-url[ =]|--find-links[ =]"
    ),
    "path of one machine": re.compile(
        r"/work/(?:main|shared)\b|/opt/(?:wheels|pypi)\b|/root/\.[a-z]|/Users/[a-z]"
    ),
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY"),
}


def main() -> int:
    """Print every finding as ``path:line: what`` and return 1 if there is one."""
    listing = subprocess.run(
        # The checkout may belong to another user than the one who runs the checks (root in CI).
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    failed = False
    for name in sorted(filter(None, listing.decode().split("\0"))):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            for line, what, found in scan(path.read_bytes()):
                failed = True
                print(f"{name}:{line}: {what}: {found}")
    return int(failed)


def scan(content: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield ``(line, what, matched text)`` for each forbidden thing; a binary file has none."""
    if b"\0" in content:
        return
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        for what, pattern in FORBIDDEN.items():
            if match := pattern.search(line):
                yield number, what, match.group()


if __name__ == "__main__":
    sys.exit(main())
