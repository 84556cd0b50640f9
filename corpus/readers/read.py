from pathlib import Path
from corpus.document import Document, Unread


def read_shard(shard, *, max_bytes=8 << 20, notebooks="script"):
    for i in shard.items:
        p = Path(shard.root) / i.name
        n = p.stat().st_size
        if n > max_bytes:
            yield Unread(id=i.name, path=i.name, reason="size", detail="", num_bytes=n)
            continue
        yield Document(id=i.name, content=p.read_bytes(), path=i.name, file=p)
