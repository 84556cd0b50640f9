"""Modules that an image has loaded before programs start: there at once, clean for each, no thread left."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.api import Limits, Program, Result, Verdict, run, run_many
from sandbox.docker import DockerSandbox
from sandbox.images import build_image, connect, image_reference, recipe

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

SUM = "import pandas\nprint(pandas.DataFrame({'a': [1, 2], 'b': [3, 4.5]}).sum().to_dict())"
WAYS = ["fork-server", "one-use"]
# A module that starts a thread, as some libraries do; one that fails; one that is fine.
ODD_MODULES = """
RUN cd /usr/lib/python3/dist-packages \\
    && printf 'import threading, time\\nthreading.Thread(target=time.sleep, args=(60,), daemon=True)' \\
        > threader.py && echo '.start()' >> threader.py \\
    && printf 'raise RuntimeError("no such device")\\n' > broken.py \\
    && printf 'import os\\nPID = os.getpid()\\nTHREADS = os.environ["OMP_NUM_THREADS"]\\n' > fine.py \\
    && printf '%s\\n' broken threader fine absent > /opt/opencoder/preload
"""


def python(source: str, **limits: int) -> Program:
    return Program(language="python", source=source, limits=Limits(wall_s=20, **limits))


async def printed(sandbox: DockerSandbox, source: str) -> str:
    result = await run(sandbox, python(source))
    assert result.verdict is Verdict.OK, result
    return result.stdout.decode()


@pytest.fixture(scope="module")
def data_image() -> Iterator[str]:
    client = connect()
    yield build_image("data", client=client, log=lambda line: None)
    client.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=WAYS)
async def sandbox(request: pytest.FixtureRequest, data_image: str) -> AsyncIterator[DockerSandbox]:
    async with DockerSandbox(image="data", concurrency=2, one_use=request.param == "one-use") as opened:
        assert (opened.launcher, opened.image_digest) == (request.param, data_image)
        yield opened
        assert opened.note == ""


async def test_pandas_is_there_at_once_and_right(sandbox: DockerSandbox) -> None:
    assert await printed(sandbox, SUM) == "{'a': 3.0, 'b': 7.5}\n"
    loaded = "import sys\nprint('pandas' in sys.modules, 'numpy.random' in sys.modules)"
    assert await printed(sandbox, loaded) == "True True\n"


async def test_a_program_cannot_change_what_the_next_one_finds(sandbox: DockerSandbox) -> None:
    spoil = (
        "import numpy, pandas, sys\n"
        "pandas.DataFrame.sum = lambda self: 'spoiled'\n"
        "pandas.set_option('display.precision', 1)\n"
        "numpy.sum = numpy.array = None\n"
        "numpy.seterr(all='raise')\n"
        "del sys.modules['numpy']\n"
        "print('done')"
    )
    look = SUM + "\nimport numpy\nprint(pandas.get_option('display.precision'), numpy.geterr()['over'])"
    assert await printed(sandbox, spoil) == "done\n"
    assert await printed(sandbox, look) == "{'a': 3.0, 'b': 7.5}\n6 warn\n"


async def test_every_program_draws_numbers_of_its_own(sandbox: DockerSandbox) -> None:
    source = (
        "import numpy.random as numbers, random\n"
        "print(numbers.rand(), numbers.default_rng().random(), random.random())"
    )
    programs = ((str(n), python(source)) for n in range(6))
    drawn = [result.stdout.split() async for _, result in run_many(sandbox, programs, concurrency=2)]
    assert [len(row) for row in drawn] == [3] * 6
    assert len({number for row in drawn for number in row}) == 18
    seeded = "import numpy\nnumpy.random.seed(7)\nprint(numpy.random.randint(10**9))"
    assert await printed(sandbox, seeded) == await printed(sandbox, seeded)


async def test_no_thread_and_no_variable_is_left(sandbox: DockerSandbox) -> None:
    source = (
        "import numpy, os\nnumpy.ones((300, 300)) @ numpy.ones((300, 300))\n"
        "print(len(os.listdir('/proc/self/task')), [name for name in os.environ if 'THREADS' in name])"
    )
    assert await printed(sandbox, source) == "1 []\n"


async def test_memory_of_what_is_loaded_is_not_the_programs(sandbox: DockerSandbox) -> None:
    result = await run(sandbox, python("print(1)", memory_mb=64))
    assert (result.verdict, result.stdout) == (Verdict.OK, b"1\n")
    greedy = await run(sandbox, python("b = bytearray(1 << 30)", memory_mb=64))
    assert greedy.verdict is Verdict.MEMORY


async def test_the_other_languages_are_there(sandbox: DockerSandbox) -> None:
    c = Program(language="c", source='#include <stdio.h>\nint main(void) { puts("c"); return 0; }')
    assert (await run(sandbox, c)).stdout == b"c\n"
    fresh: Result = await run(sandbox, Program(language="bash", source=f'python3 -c "{SUM}"'))
    assert fresh.stdout == b"{'a': 3.0, 'b': 7.5}\n"


@pytest.fixture(scope="module")
def odd_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image whose list names modules that cannot be kept."""
    folder: Path = tmp_path_factory.mktemp("images")
    (folder / "odd").mkdir()
    text = recipe.dockerfile("python").decode()
    mark = "# No program in the image may"
    assert mark in text
    (folder / "odd" / "Dockerfile").write_text(text.replace(mark, f"{ODD_MODULES}\n{mark}"))
    client = connect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "FOLDER", folder)
        reference = image_reference("odd")
        build_image("odd", client=client, log=lambda line: None)
        yield "odd"
    client.close()
    subprocess.run(["docker", "rmi", "--force", reference], capture_output=True)


@pytest.mark.parametrize("way", WAYS)
async def test_what_cannot_be_loaded_ahead_is_left_out_and_named(odd_image: str, way: str) -> None:
    async with DockerSandbox(image=odd_image, concurrency=1, one_use=way == "one-use") as own:
        source = (
            "import fine, os, sys\n"
            "print(fine.PID == os.getpid(), fine.THREADS, 'threader' in sys.modules)\n"
            "print(len(os.listdir('/proc/self/task')))"
        )
        assert await printed(own, source) == "False 1 False\n1\n"
        assert own.launcher == way
        assert own.note == (
            "not loaded ahead: threader (it starts threads), broken (RuntimeError: no such device), "
            "absent (ModuleNotFoundError: No module named 'absent')"
        )
        assert await printed(own, "import threader\nprint('as ever')") == "as ever\n"
