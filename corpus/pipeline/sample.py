"""Byte caps of languages: which documents of a language that has too many stay.

The paper downsamples Java to 200 GB and HTML to 64 GB (arXiv:2411.04905, section 2.1), of the 2,684 GB that
its Table 16 has after filtering. By default the caps are scaled to the input: they are the same shares of
what the filter let through, but at least ``FLOOR_BYTES``, so that nothing is taken from a small corpus.

The order in which documents are taken follows from a hash of seed and content, so that it depends neither on
shards nor on workers, and a larger cap keeps all that a smaller one keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.database import quoted
from corpus.report.schema import Amount

if TYPE_CHECKING:
    import duckdb

PAPER_CAPS = {"java": 200 * 10**9, "html": 64 * 10**9}
PAPER_BYTES = 2684 * 10**9
FLOOR_BYTES = 256 * 10**6


def caps_for(caps: Mapping[str, int] | None, filtered: Mapping[str, Amount]) -> dict[str, int]:
    """Return the caps in bytes of the languages that have more.

    Args:
        caps: By language; None for those of the paper, scaled.
        filtered: What the filter let through, by language.
    """
    if caps is None:
        total = sum(amount.bytes for amount in filtered.values())
        caps = {name: max(FLOOR_BYTES, cap * total // PAPER_BYTES) for name, cap in PAPER_CAPS.items()}
    return {name: cap for name, cap in caps.items() if name in filtered and filtered[name].bytes > cap}


def find_surplus(
    database: duckdb.DuckDBPyConnection, refined: list[Path], caps: Mapping[str, int], seed: int, out: Path
) -> None:
    """Write the numbers of the documents above the caps to ``out``, sorted.

    Args:
        database: An open one.
        refined: Files of documents after the filter.
        caps: Most bytes by language.
        seed: Seed of the order.
        out: Parquet file with the column ``number``.
    """
    database.execute("CREATE TABLE caps (language VARCHAR, cap BIGINT)")
    if caps:
        database.executemany("INSERT INTO caps VALUES (?, ?)", [list(pair) for pair in caps.items()])
    files = f"read_parquet({quoted(refined)})" if refined and caps else _NOTHING
    database.execute(
        f"""
        COPY (
            SELECT number FROM (
                SELECT number, cap, sum(refined_bytes) OVER (
                    PARTITION BY language ORDER BY rank, id ROWS UNBOUNDED PRECEDING
                ) AS up_to
                FROM (
                    SELECT number, language, refined_bytes, id, cap,
                        sha256(concat('{int(seed)}:', lower(hex(sha256)))) AS rank
                    FROM {files} JOIN caps USING (language)
                )
            )
            WHERE up_to > cap ORDER BY number
        ) TO '{str(out).replace("'", "''")}' (FORMAT parquet)
        """  # noqa: S608 - a number and paths, quoted
    )


_NOTHING = (
    "(SELECT 0::BIGINT AS number, '' AS language, 0::BIGINT AS refined_bytes, '' AS id, ''::BLOB AS sha256 "
    "WHERE false)"
)
