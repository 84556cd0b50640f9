"""What is remembered of each document of a corpus while its content lies on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpus.document import Document


@dataclass(slots=True)
class Catalog:
    """What is remembered of each document, in one order: that of reading, then that of ids."""

    ids: list[str] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    repos: list[str | None] = field(default_factory=list)
    stars: list[int | None] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)
    digests: bytearray = field(default_factory=bytearray)
    places: list[int] = field(default_factory=list)
    """Number of each document's content in the spool."""

    def add(self, document: Document) -> None:
        """Take in the next document."""
        self.places.append(len(self.ids))
        self.ids.append(document.id)
        self.paths.append(document.path)
        self.repos.append(document.repo)
        self.stars.append(document.stars)
        self.times.append(document.commit_time)
        self.digests += hashlib.sha256(document.content).digest()

    def by_id(self) -> Catalog:
        """Return the same documents in the order of their ids."""
        order = sorted(range(len(self.ids)), key=self.ids.__getitem__)
        return Catalog(
            ids=[self.ids[i] for i in order],
            paths=[self.paths[i] for i in order],
            repos=[self.repos[i] for i in order],
            stars=[self.stars[i] for i in order],
            times=[self.times[i] for i in order],
            digests=bytearray(b"".join(self.digest(i) for i in order)),
            places=[self.places[i] for i in order],
        )

    def digest(self, number: int) -> bytes:
        """Return the SHA-256 of a document."""
        return bytes(self.digests[32 * number : 32 * number + 32])
