"""Data sets of finished rows, in the forms that others read, each with its card."""
