"""The inner half of the sandbox: what runs beside, around and inside a program.

Standard library only, and relative imports only: the same files run from this package on the host and from
``/opt/opencoder/guard`` inside an image. Nothing here knows an expected value of a test.

Processes, from the outside in::

    supervisor          sandbox.forkserver: trusted, holds expected values and verdicts
    └── agent           one per sandbox, warm interpreter; limits, kills, reports; keeps no job's data
        └── holder      PID 1 of one program's namespaces
            └── program no capability, system-call filter; nobody trusts it

Where the agent may not make namespaces, a ``warden`` stands for it: one per program, as PID 1 of a one-use
container (``oneshot``) or, with no boundary at all, as a child of the ``zygote``.
"""
