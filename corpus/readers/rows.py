"""All documents of one source, for steps that take a corpus as it is: no limit of size, every row good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpus.document import Document
from corpus.readers.plan import plan_inputs
from corpus.readers.read import read_unconverted
from opencoder.errors import DataError

_NO_LIMIT = 1 << 50
_PASSED_OVER = ("link", "special")


def read_documents(source: Path, *, skip: Path | None = None) -> Iterator[Document]:
    """Yield the documents of a source (see :mod:`corpus.readers.plan`). Links and pipes are passed over.

    Args:
        source: A folder, a file of rows or a data set of the hub.
        skip: A folder to pass over.

    Raises:
        DataError: A file or a row cannot be used; says where and what to do.
        UserError: The suffix is not known.
    """
    plan = plan_inputs([str(source)], skip=skip, skip_bad=True)
    for path, reason in plan.bad.items():
        raise DataError(reason, path=path)
    for shard in plan.shards:
        for found in read_unconverted(shard, _NO_LIMIT):
            if isinstance(found, Document):
                yield found
            elif found.reason not in _PASSED_OVER:
                raise DataError(found.detail)
