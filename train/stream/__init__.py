"""The order of pretraining: shuffled documents end to end, mixtures of sources, fill-in-the-middle."""
