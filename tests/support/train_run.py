"""``opencoder train run`` with ``fake_trainer`` for the trainer; ``AGENT`` may name a module for torchrun."""

from __future__ import annotations

import os
import sys
from functools import partial

from opencoder.cli import main
from train.run import start, torchrun

torchrun.AGENT = os.environ.get("AGENT", torchrun.AGENT)
start.start = partial(start.start, module="fake_trainer")
sys.argv[1:1] = ["train", "run"]
sys.exit(main())
