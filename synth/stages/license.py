"""``license``: what the licences of the seeds must allow, by the policy of the run."""

from __future__ import annotations

from typing import cast

from synth.licenses import Policy, policy
from synth.stages.base import Dropped, Item, Stage, Tools


class License(Stage):
    """See the module. A licence that is not known is blocked by ``commercial`` and passes ``research``."""

    kind = "license"

    async def run(self, item: Item, tools: Tools) -> None:
        """Drop the row if a seed's licence forbids what it is for."""
        wanted = cast("Policy", tools.settings["license_policy"])
        for seed in item.row.prov.seeds:
            ruling = policy(seed.license, wanted)
            if ruling.verdict == "blocked":
                raise Dropped("license_blocked", f"{seed.license or 'no licence'}: {ruling.reason}")
