import hashlib, os
from pathlib import Path
from corpus.readers.shard import InputPlan, Item, Shard
from opencoder.errors import DataError


def plan_inputs(sources, *, shard_bytes=64 << 20, stars=None, skip_bad=False, skip=None):
    if stars is not None and not stars.exists():
        raise DataError("no such file; check --stars", path=stars)
    shards = []
    for source in sources:
        root = Path(source)
        if not root.is_dir():
            raise DataError("no such file or folder; check the path", path=root)
        items = []
        size = 0

        def flush():
            nonlocal items, size
            if items:
                dig = hashlib.sha256(
                    repr(
                        [
                            (i.name, os.stat(root / i.name).st_mtime_ns, os.stat(root / i.name).st_size)
                            for i in items
                        ]
                    ).encode()
                ).hexdigest()
                shards.append(
                    Shard(kind="files", root=str(root), items=tuple(items), num_bytes=size, digest=dig)
                )
            items = []
            size = 0

        for p in sorted(root.rglob("*")):
            if p.is_symlink() or not p.is_file():
                continue
            items.append(Item(name=str(p.relative_to(root))))
            size += p.stat().st_size
            if size >= shard_bytes:
                flush()
        flush()
    return InputPlan(shards=tuple(shards), bad={})
