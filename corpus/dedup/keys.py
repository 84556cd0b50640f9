from types import SimpleNamespace
import duckdb, numpy as np, pyarrow as pa, pyarrow.parquet as pq
from corpus.dedup.clusters import find_clusters


class BandWriter:
    def __init__(self, path, bands):
        self.path = path
        self.n = []
        self.k = []
        self.bands = bands

    def add(self, number, keys):
        self.n.append(number)
        self.k.append(keys)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        ks = np.array(self.k, np.uint64).reshape(len(self.n), self.bands)
        pq.write_table(
            pa.table(
                {
                    "number": pa.array(self.n, pa.int64()),
                    **{f"b{i}": pa.array(ks[:, i]) for i in range(self.bands)},
                }
            ),
            self.path,
        )


def _t(files):
    return pa.concat_tables([pq.read_table(f) for f in files]).to_pylist()


def _rank(r):
    return (
        -(r["stars"] if r["stars"] is not None else -(2**63)),
        -(r["commit_time"] if r["commit_time"] is not None else -(2**63)),
        r["id"],
    )


def find_copies_in(files, out, *, folder, memory_mb, threads):
    g = {}
    for r in _t(files):
        g.setdefault(r["sha256"], []).append(r)
    d = []
    for rs in g.values():
        rs.sort(key=_rank)
        d += [(r["number"], rs[0]["number"]) for r in rs[1:]]
    d.sort()
    pq.write_table(
        pa.table(
            {
                "number": pa.array([a for a, _ in d], pa.int64()),
                "kept": pa.array([b for _, b in d], pa.int64()),
            }
        ),
        out,
    )


def rank_documents(files, *, folder, memory_mb, threads):
    rs = sorted(_t(files), key=_rank)
    ranks = np.empty(len(rs), np.int64)
    for i, r in enumerate(rs):
        ranks[r["number"]] = i
    return ranks


def find_near_in(files, ranks, out):
    t = pa.concat_tables([pq.read_table(f) for f in files])
    n = t.column("number").to_numpy()
    cl = find_clusters(len(n), (t.column(c).to_numpy() for c in t.column_names[1:]))
    best = {}
    for i, c in enumerate(cl.tolist()):
        if c not in best or ranks[n[i]] < ranks[best[c]]:
            best[c] = n[i]
    sizes = np.bincount(cl) if len(cl) else []
    rows = sorted((int(n[i]), int(best[c]), int(c)) for i, c in enumerate(cl.tolist()) if sizes[c] > 1)
    pq.write_table(
        pa.table(
            {
                k: pa.array([r[j] for r in rows], pa.int64())
                for j, k in enumerate(("number", "kept", "cluster"))
            }
        ),
        out,
    )
    return SimpleNamespace(candidates=0, clusters=len({r[2] for r in rows}), giant_buckets=0)
