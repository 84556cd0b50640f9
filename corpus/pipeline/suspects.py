"""Documents that end the worker which looks at them: found and left out, so that one file cannot end a build.

A worker has a memory limit of its own. A file written to exhaust a parser makes it abort there, whatever
else the machine could give. The task is then repeated alone and carefully: it notes the number of each
document before it begins with it. If that worker ends too, the number is that of the one to blame.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from corpus.pipeline.task import Task
from corpus.pipeline.work import Work
from opencoder.files import write_bytes

_MOST = 100
"""Documents of one task that may be left out. With more, it is rather the program that is broken."""


def note(task: Task, work: Work, number: int) -> None:
    """Remember which document a careful task begins with; atomic, as the process may end at any moment."""
    if task.careful:
        write_bytes(work.suspect(task.key), str(number).encode())


def more_careful(task: Task) -> Task | None:
    """Return the task as it is to be repeated after it ended a worker; None if it is not known how."""
    if not task.careful:
        return msgspec.structs.replace(task, careful=True)
    mark = Work(Path(task.out)).suspect(task.key)
    if not mark.exists() or len(task.skip) >= _MOST:
        return None
    number = int(mark.read_bytes())
    mark.unlink()
    return msgspec.structs.replace(task, skip=(*task.skip, number))
