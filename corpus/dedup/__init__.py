"""Exact copies and near-duplicates: hashes, signatures, clusters, and which file of a group stays."""
