"""``python -m opencoder``, safe against a ``train.py`` or ``eval/`` in the working folder."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    _root = str(Path(__file__).resolve().parent.parent)
    # -m puts the working folder first on the path; a file of the user's would shadow our packages.
    if not sys.flags.safe_path and sys.path and (sys.path[0] or str(Path.cwd())) != _root:
        del sys.path[0]

    from opencoder.cli import main

    sys.exit(main())
