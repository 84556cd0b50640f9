"""Recipes: what is asked, in which order, and what becomes of the answers. Data, no code."""
