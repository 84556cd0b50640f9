"""Verification in a container: the same verdicts as in namespaces of this host."""

from __future__ import annotations

import pytest

from sandbox.docker import DockerSandbox
from synth.verify.limits import limits_of
from synth.verify.verify import verify

GOOD = "def double(x):\n    if x > 0:\n        return 2 * x\n    return x\n"
LIAR = "class A:\n    def __eq__(self, other): return True\ndef double(x):\n    return A()\n"
TESTS = ["assert double(2) == 4", "assert double(-3) == -3", "assert double(0) == 0", "assert double(1) == 2"]


@pytest.mark.docker
@pytest.mark.parametrize("one_use", [False, True], ids=["fork-server", "one-use"])
async def test_verdicts_in_a_container(python_image: str, one_use: bool) -> None:
    async with DockerSandbox(concurrency=2, one_use=one_use) as sandbox:
        good = await verify(sandbox, code=GOOD, entry_point="double", tests=TESTS, limits=limits_of(5.0))
        liar = await verify(sandbox, code=LIAR, entry_point="double", tests=TESTS, limits=limits_of(5.0))
    assert (good.status, good.detail) == ("pass", "")
    assert good.mutants == 8
    assert good.killed >= 7, "one mutant is equal to the code"
    assert good.image, "the digest of the image is on the row"
    assert good.python == ""
    assert (liar.status, liar.reason) == ("fail", "passes_only_beside")
    assert python_image
