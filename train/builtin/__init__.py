"""Small data that every machine has: the standard library of the running interpreter."""
