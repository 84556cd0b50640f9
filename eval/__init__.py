"""Scoring of code models: benchmarks, prompts, extraction, judging, results."""

__distribution__ = "opencoder"
