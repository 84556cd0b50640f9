"""Scoring of code models: benchmarks, prompts, extraction, judging, comparison, reports."""
