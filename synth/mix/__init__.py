"""Mixtures: which rows of which sources make up a training stage."""
