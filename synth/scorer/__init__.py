"""Scorers of educational value: trained on the labels of a model, or by hand-set rules."""
