"""What ``train.run`` needs of torchrun, without the seconds that torch takes to import: ``-m fake_torchrun``.

It takes the same command, starts the ranks with their variables, keeps their output in the same files, hands
SIGTERM on, and ends the others when one fails, with a report in the same form.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REPORT = """
Root Cause (first observed failure):
[0]:
  rank      : {rank} (local_rank: {rank})
  exitcode  : {code} (pid: {pid})
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("nproc-per-node", "rdzv-backend", "rdzv-endpoint", "max-restarts", "log-dir", "redirects"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("-m", dest="module", required=True)
    parser.add_argument("folder")
    given = parser.parse_args()
    ranks: list[subprocess.Popen[bytes]] = []
    # Before the first rank is there, so that none is left behind.
    signal.signal(signal.SIGTERM, lambda *_: [rank.terminate() for rank in ranks])
    for number in range(int(given.nproc_per_node)):
        ranks.append(start(number, given))
    while all(rank.poll() in {None, 0} for rank in ranks) and any(rank.poll() is None for rank in ranks):
        time.sleep(0.01)
    failed = next(((number, rank) for number, rank in enumerate(ranks) if rank.poll()), None)
    for rank in ranks:
        rank.terminate()
        rank.wait()
    if failed:
        number, rank = failed
        sys.stderr.write(REPORT.format(rank=number, code=rank.returncode, pid=rank.pid))
    return int(failed is not None)


def start(number: int, given: argparse.Namespace) -> subprocess.Popen[bytes]:
    logs = Path(given.log_dir) / f"none_{os.getpid()}" / "attempt_0" / str(number)
    logs.mkdir(parents=True)
    env = {**os.environ, "RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": given.nproc_per_node}
    command = [sys.executable, "-u", "-m", given.module, given.folder]
    with (logs / "stdout.log").open("wb") as out, (logs / "stderr.log").open("wb") as err:
        return subprocess.Popen(command, env=env, stdout=out, stderr=err)


if __name__ == "__main__":
    sys.exit(main())
