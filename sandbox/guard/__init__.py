"""The inner half of the sandbox: what runs beside, around and inside a program.

Standard library only, and relative imports only: the same files run from this package on the host and from
``/opt/opencoder/guard`` inside an image. Nothing here knows an expected value of a test.

Processes, from the outside in::

    supervisor        sandbox.namespace, sandbox.docker: trusted, holds expected values and verdicts
    └── zygote        one per sandbox, warm interpreter; starts wardens, keeps no job's data
        └── warden    PID 1 of one program's namespaces; limits, kills, reports
            └── program   no capability, system-call filter; nobody trusts it
"""
