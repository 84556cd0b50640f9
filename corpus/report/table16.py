"""What the filter of the OpenCoder paper let through, by language (arXiv:2411.04905, appendix, Table 16).

The table gives files and gigabytes after deduplication and after filtering for the languages with most bytes.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """Millions of files, and gigabytes, before and after the filter."""

    files_before: float
    gb_before: float
    files_after: float
    gb_after: float

    @property
    def retention(self) -> float:
        """Share of files that stayed, 0 to 1."""
        return self.files_after / self.files_before


TABLE_16: dict[str, Row] = {
    "html": Row(141.1, 3175, 45.1, 582),
    "java": Row(215.2, 707, 124.8, 474),
    "python": Row(109.7, 493, 58.6, 271),
    "csharp": Row(88.8, 364, 57.9, 232),
    "javascript": Row(190.7, 1925, 69.6, 227),
    "php": Row(84.4, 374, 60.1, 223),
    "cpp": Row(51.4, 375, 38.0, 177),
    "go": Row(35.6, 301, 26.7, 154),
    "typescript": Row(40.2, 287, 20.6, 140),
    "ruby": Row(15.7, 245, 8.3, 123),
    "rust": Row(10.6, 64, 6.1, 40),
    "css": Row(39.8, 242, 15.8, 15),
    "xml": Row(61.2, 1934, 3.2, 12.8),
    "shell": Row(12.1, 23, 6.0, 11),
}
"""By the names of our language table."""

FAR = 0.20
"""A difference of retention above this share is pointed out; corpora differ by some points anyhow."""
