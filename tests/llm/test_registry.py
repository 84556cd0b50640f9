"""Specs and options of ``open_model``, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from opencoder.errors import DependencyError, UserError
from opencoder.llm import Request, Sampling, open_model
from opencoder.llm.templated import token_ids
from opencoder.records import Message


@pytest.mark.parametrize(
    "spec", ["", "openai", "openai/", "transformers/", "samples:", "gpt-9", "Reference", "vllm:x", "replay/x"]
)
def test_unknown_specs_name_the_known_ones(spec: str) -> None:
    known = "openai/NAME, batch/NAME, vllm/ID_OR_PATH, transformers/FOLDER_OR_ID, reference, samples:FILE or"
    with pytest.raises(UserError, match=known):
        open_model(spec)


async def test_names_may_hold_slashes() -> None:
    model = open_model("openai/org/name:tag", base_url="http://127.0.0.1:9/v1")
    assert model.name == "openai/org/name:tag"
    await model.aclose()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"base_url": "localhost:8000"}, "is no address"),
        ({"base_url": "http://127.0.0.1:port/v1"}, "is no address"),
        ({"base_url": "http://[::1/v1"}, "is no address"),
        ({"base_url": "http:///v1"}, "is no address"),
    ],
)
def test_bad_options(options: dict[str, Any], word: str) -> None:
    with pytest.raises(UserError, match=word):
        open_model("openai/x", **options)


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(UserError, match=r"--base-url .* OPENAI_API_KEY"):
        open_model("openai/x")


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
async def test_vllm_is_asked_for_on_first_use() -> None:
    model = open_model("vllm/org/name")
    with pytest.raises(DependencyError) as caught:
        await model.style()
    assert str(caught.value).endswith("pip install 'opencoder[vllm]'")
    with pytest.raises(DependencyError):
        await model.complete(Request(tag="t", prompt="x"))
    with pytest.raises(UserError, match="temperature above 0"):
        await model.complete(Request(tag="t", prompt="x", sampling=Sampling(n=2)))
    await model.aclose()


class BosTokenizer:
    """Puts a start token before every text unless told not to; its chat template writes it out."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return ([1] if add_special_tokens else []) + [1 if c == "^" else ord(c) for c in text]

    def apply_chat_template(
        self,
        turns: list[dict[str, str]],
        *,
        tokenize: bool,
        add_generation_prompt: bool,
        continue_final_message: bool,
    ) -> str:
        assert not tokenize
        assert add_generation_prompt != continue_final_message
        if turns[0]["role"] == "system":
            raise LookupError("no system role")
        return "^" + "|".join(t["content"] for t in turns) + (">" if add_generation_prompt else "")


def test_every_prompt_has_one_start_token() -> None:
    chat = Request(tag="t", messages=(Message("user", "a"),))
    prefilled = Request(tag="t", messages=(Message("user", "a"),), prefill="b")
    assert token_ids(BosTokenizer(), Request(tag="t", prompt="a", prefill="b")) == [1, ord("a"), ord("b")]
    assert token_ids(BosTokenizer(), chat) == [1, ord("a"), ord(">")]
    assert token_ids(BosTokenizer(), prefilled) == [1, ord("a"), ord("|"), ord("b")]
    with pytest.raises(UserError, match=r"t: .*template refused .*no system role"):
        token_ids(BosTokenizer(), Request(tag="t", messages=(Message("system", "s"),)))


def test_import_is_light() -> None:
    heavy = ("openai", "httpx", "httpx2", "vllm", "torch", "transformers", "numpy", "pydantic")
    code = (
        "import sys, opencoder.llm as llm; llm.open_model('reference');"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
