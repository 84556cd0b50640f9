"""The languages that a corpus takes unless told otherwise.

The paper (OpenCoder, section 2.1) speaks of 607 languages; which ones is not in its published code.
Upstream's two look-ups reach 644, of which its exclusion list takes out 34: these 610 are the default here.
"""

from __future__ import annotations

from functools import cache

from corpus.languages.compat import upstream_tables
from corpus.languages.doc_type import EXCLUDED, present_name

PAPER_COUNT = 607


@cache
def default_languages() -> frozenset[str]:
    """Return the 610 languages, in the names of the table.

    One of them, gerber image, is there by a slip of upstream's exclusion list; ``detect`` calls it excluded.
    Prover9, which linguist no longer knows, is found in compat mode only.
    """
    tables = upstream_tables()
    reached = {*tables.by_extension.values(), *tables.by_filename.values()}
    return frozenset(map(present_name, reached - tables.excluded))


@cache
def hidden_languages() -> frozenset[str]:
    """Return the languages that upstream gives a type but whose every extension it gives to another language.

    Objective-C, Solidity and GDScript are among them. A corpus made with ``detect`` will want them besides
    the default ones, since files that upstream takes for something else are found to be theirs.
    """
    typed = frozenset(map(present_name, upstream_tables().types))
    return typed - default_languages() - EXCLUDED
