"""A build: from inputs to documents, rejects and report, shard by shard."""
