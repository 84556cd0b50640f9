"""``opencoder train run``: makes a run ready, starts its ranks, watches them, and says how they ended.

``command`` -> ``start`` (``prepare`` the data, ``preflight``, ``torchrun``) -> ``supervise`` (``watch``,
``evals``) -> ``ending``. Ranks and supervisor speak through the run folder only (``folder``), so the command
in ``command.txt`` trains without a supervisor just as well.
"""
