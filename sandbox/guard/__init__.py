"""The inner half of the sandbox: what runs beside, around and inside a program.

Standard library only, and relative imports only: the same files run from this package on the host and from
``/opt/opencoder/guard`` inside an image. Nothing here knows an expected value of a test.

Processes, from the outside in::

    supervisor           sandbox.forkserver: trusted, holds expected values and verdicts
    └── agent            one per sandbox; limits, kills, reports; keeps no job's data and forks no program
        ├── nurseries    interpreters that only fork, on the agent's word (``spawner`` is its end)
        ├── holder       PID 1 of one program's namespaces, made ahead
        └── program      no capability, system-call filter; nobody trusts it (``entry`` leads it in)

Where the agent may not make namespaces, a ``warden`` stands for it: one per program, as PID 1 of a one-use
container (``oneshot``) or, with no boundary at all, as a child of the ``zygote``.
"""
