"""A Ray cluster of two nodes, each with its own processes; tells its address and ends with its stdin."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster


def main() -> None:
    folder = tempfile.mkdtemp(prefix="ray-test-", dir="/tmp")
    Path("/tmp/ray").mkdir(exist_ok=True)  # where Ray notes the last cluster, whatever its folder
    try:
        node: dict[str, Any] = {"num_cpus": 2, "object_store_memory": 100 << 20}
        cluster = Cluster(
            initialize_head=True, head_node_args={**node, "temp_dir": folder, "include_dashboard": False}
        )
        cluster.add_node(**node)
        cluster.wait_for_nodes()
        sys.stderr.write(f"address {cluster.address}\n")  # stdout has news of Ray's
        sys.stderr.flush()
        sys.stdin.read()
        cluster.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
