"""The in-process engine cannot run without a GPU, but what we call must exist in the wheel.

``vllm_signatures.json`` holds the names that the wheel defines. With ``OPENCODER_VLLM_WHEEL`` set to a wheel
they are read from it again and compared; ``facts_of`` made the file.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opencoder.llm import templated, vllm_offline

FACTS_FILE = Path(__file__).with_name("vllm_signatures.json")
FACTS: dict[str, Any] = json.loads(FACTS_FILE.read_text())
TREE = ast.parse("\n".join(inspect.getsource(module) for module in (templated, vllm_offline)))

FUNCTIONS = {
    "AsyncLLM.generate": "vllm/v1/engine/async_llm.py",
    "AsyncLLM.from_engine_args": "vllm/v1/engine/async_llm.py",
    "AsyncLLM.get_tokenizer": "vllm/v1/engine/async_llm.py",
    "AsyncLLM.shutdown": "vllm/v1/engine/async_llm.py",
    "tokens_input": "vllm/inputs/engine.py",
    "TokenizerLike.encode": "vllm/tokenizers/protocol.py",
    "TokenizerLike.apply_chat_template": "vllm/tokenizers/protocol.py",
}
FIELDS = {
    "AsyncEngineArgs": "vllm/engine/arg_utils.py",
    "SamplingParams": "vllm/sampling_params.py",
    "CompletionOutput": "vllm/outputs.py",
    "RequestOutput": "vllm/outputs.py",
    "RequestOutputKind": "vllm/sampling_params.py",
    "StructuredOutputsParams": "vllm/sampling_params.py",
    "Logprob": "vllm/logprobs.py",
    "AsyncLLM": "vllm/v1/engine/async_llm.py",
}
ERRORS = {
    "VLLMValidationError": "vllm/exceptions.py",
    "EngineGenerateError": "vllm/v1/engine/exceptions.py",
    "EngineDeadError": "vllm/v1/engine/exceptions.py",
}
EXPORTS = {
    "vllm": ["AsyncEngineArgs", "CompletionOutput", "SamplingParams"],
    "vllm.inputs": ["tokens_input"],
    "vllm.exceptions": ["VLLMClientError", "VLLMServerError"],
    "vllm.sampling_params": ["RequestOutputKind", "StructuredOutputsParams"],
    "vllm.v1.engine.async_llm": ["AsyncLLM"],
}


def facts_of(wheel: Path) -> dict[str, Any]:
    """Read the names out of a wheel, without importing anything."""
    with zipfile.ZipFile(wheel) as archive:
        trees = {
            name: ast.parse(archive.read(name))
            for name in {*FUNCTIONS.values(), *FIELDS.values(), *ERRORS.values()}
        }
        exports = {}
        for package, names in EXPORTS.items():
            path = package.replace(".", "/")
            path = f"{path}.py" if f"{path}.py" in archive.namelist() else f"{path}/__init__.py"
            words = {
                word.value
                if isinstance(word, ast.Constant)
                else getattr(word, "id", getattr(word, "name", None))
                for word in ast.walk(ast.parse(archive.read(path)))
            }
            exports[package] = [name for name in names if name in words]
    return {
        "version": wheel.name.split("-")[1],
        "functions": {name: _signature(trees[path], name) for name, path in FUNCTIONS.items()},
        "fields": {name: _fields(trees[path], name) for name, path in FIELDS.items()},
        "errors": {
            name: [ast.unparse(base) for base in _class(trees[path], name).bases]
            for name, path in ERRORS.items()
        },
        "exports": exports,
    }


def _class(tree: ast.Module, name: str) -> ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def _signature(tree: ast.Module, name: str) -> dict[str, Any]:
    owner, _, own = name.rpartition(".")
    body = _class(tree, owner).body if owner else tree.body
    found = next(n for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name == own)
    positional = [row.arg for row in found.args.args if row.arg not in ("self", "cls")]
    return {
        "positional": positional,
        "keyword": [row.arg for row in found.args.kwonlyargs],
        "required": positional[: len(positional) - len(found.args.defaults)],
        "open": found.args.kwarg is not None,
        "async": isinstance(found, ast.AsyncFunctionDef),
        "yields": any(isinstance(node, ast.Yield) for node in ast.walk(found)),
    }


def _fields(tree: ast.Module, name: str) -> list[str]:
    """Fields of a class and of its bases in the same file, members of an enum, attributes set on self."""
    node = _class(tree, name)
    names: set[str] = set()
    for base in node.bases:
        if isinstance(base, ast.Name) and any(
            isinstance(n, ast.ClassDef) and n.name == base.id for n in tree.body
        ):
            names.update(_fields(tree, base.id))
    for row in node.body:
        if isinstance(row, ast.AnnAssign) and isinstance(row.target, ast.Name):
            names.add(row.target.id)
        elif isinstance(row, ast.Assign):
            names.update(target.id for target in row.targets if isinstance(target, ast.Name))
        elif isinstance(row, ast.FunctionDef) and row.name == "__init__":
            names.update(
                n.attr
                for n in ast.walk(row)
                if isinstance(n, ast.Attribute)
                and isinstance(n.ctx, ast.Store)
                and ast.unparse(n.value) == "self"
            )
    return sorted(names)


def _calls(name: str) -> list[ast.Call]:
    found = [
        node
        for node in ast.walk(TREE)
        if isinstance(node, ast.Call) and name == ast.unparse(node.func).rpartition(".")[2]
    ]
    assert found, f"{name} is not called any more; take it out of the facts"
    return found


def _imports() -> Iterator[tuple[str, str]]:
    for node in ast.walk(TREE):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vllm":
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_exist(name: str) -> None:
    signature = FACTS["functions"][name]
    for call in _calls(name.rpartition(".")[2]):
        keywords = [keyword.arg for keyword in call.keywords]
        known = {*signature["positional"], *signature["keyword"]}
        assert signature["open"] or known.issuperset(keywords)
        assert len(call.args) <= len(signature["positional"])
        assert {*signature["positional"][: len(call.args)], *keywords} >= set(signature["required"])


@pytest.mark.parametrize("name", ["AsyncEngineArgs", "SamplingParams", "StructuredOutputsParams"])
def test_fields_exist(name: str) -> None:
    for call in _calls(name):
        assert not call.args
        assert {keyword.arg for keyword in call.keywords} <= set(FACTS["fields"][name])


def test_the_token_limit_is_always_given() -> None:
    """vLLM stops after 16 tokens otherwise."""
    assert all(
        "max_tokens" in [keyword.arg for keyword in call.keywords] for call in _calls("SamplingParams")
    )


def test_async_where_it_is_async() -> None:
    awaited = {ast.unparse(node.value) for node in ast.walk(TREE) if isinstance(node, ast.Await)}
    looped = {ast.unparse(node.iter) for node in ast.walk(TREE) if isinstance(node, ast.AsyncFor)}
    for name, signature in FACTS["functions"].items():
        own = name.rpartition(".")[2]
        assert any(f".{own}(" in text for text in looped) == signature["yields"]
        assert any(text.startswith(f"engine.{own}(") for text in awaited) == (
            signature["async"] and not signature["yields"]
        )


def test_attributes_exist() -> None:
    owners = {
        "last": "RequestOutput",
        "output": "CompletionOutput",
        "row": "Logprob",
        "RequestOutputKind": "RequestOutputKind",
        "engine": "AsyncLLM",
    }
    methods = {name.rpartition(".")[2] for name in FUNCTIONS}
    seen = set()
    for node in ast.walk(TREE):
        owner = owners.get(ast.unparse(node.value)) if isinstance(node, ast.Attribute) else None
        if isinstance(node, ast.Attribute) and owner is not None and node.attr not in methods:
            assert node.attr in FACTS["fields"][owner]
            seen.add(owner)
    assert seen == set(owners.values())


def test_imports_exist() -> None:
    assert {(package, name) for package, names in FACTS["exports"].items() for name in names} == set(
        _imports()
    )


def test_errors_are_sorted_as_we_sort_them() -> None:
    assert FACTS["errors"] == {
        "VLLMValidationError": ["VLLMClientError"],
        "EngineGenerateError": ["VLLMServerError"],
        "EngineDeadError": ["VLLMServerError"],
    }


@pytest.mark.skipif(
    "OPENCODER_VLLM_WHEEL" not in os.environ, reason="OPENCODER_VLLM_WHEEL names no vLLM wheel"
)
def test_the_wheel_says_the_same() -> None:
    assert facts_of(Path(os.environ["OPENCODER_VLLM_WHEEL"])) == FACTS
