"""Finders of personal data and secrets in text: places by kind, for whoever replaces them."""
