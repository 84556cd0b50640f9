"""The engine: seeds in, rows and rejects out, whatever happens in between."""
