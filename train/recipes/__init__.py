"""The recipes that are shipped: one small file for each family, one builder for each stage."""
