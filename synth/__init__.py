"""Instruction data: seeds in, verified and decontaminated rows out."""

__distribution__ = "opencoder"
