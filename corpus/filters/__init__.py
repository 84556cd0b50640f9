"""Filter rules: a signal beyond its threshold drops the file."""
