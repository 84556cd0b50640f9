"""Keeping benchmark tasks out of training data."""
