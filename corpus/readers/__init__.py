"""Documents from where they lie: folders, git checkouts, JSON lines, Parquet, the hub."""
