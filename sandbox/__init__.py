"""Run programs that nobody trusts: fresh kernel boundary per program, verdicts made outside of it."""

__distribution__ = "opencoder"
