"""Token shards: a corpus or a set of dialogues, tokenised once, in files that are memory-mapped."""
