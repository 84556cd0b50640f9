"""Open code models: run untrusted code, evaluate models on code benchmarks."""

from __future__ import annotations

__version__ = "0.1.0"

__distribution__ = "opencoder"
"""Marks a top-level package as ours; ``opencoder doctor`` looks for it (names like ``eval`` are common)."""
