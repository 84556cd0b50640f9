"""The paper's ablations on the tiny model: chains of runs with one budget, measured on held-out rows."""
