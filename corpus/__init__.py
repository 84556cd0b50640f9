"""Building of code corpora: reading, deduplication, signals, filter rules, reports."""

__distribution__ = "opencoder"
