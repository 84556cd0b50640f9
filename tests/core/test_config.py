import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencoder.config import changed_keys, config_hash, load_file, plain, to_toml
from opencoder.errors import DataError, DependencyError, UserError

# Surrogates are no characters; TOML files cannot hold them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


class Kind(StrEnum):
    A = "a"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    temperature: float = 0.0
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    model: str = "reference"
    kind: Kind = Kind.A
    bench: tuple[str, ...] = ("humaneval",)
    skip: frozenset[str] = frozenset({"b", "a"})
    sampling: Sampling = Sampling()
    out: Path = Path("here")
    concurrency: int = 2


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_toml_round_trips(table):
    assert tomllib.loads(to_toml(table)) == plain(table)


def test_plain_knows_dataclasses_enums_paths_sets_and_none():
    assert plain(Config()) == {
        "model": "reference",
        "kind": "a",
        "bench": ["humaneval"],
        "skip": ["a", "b"],
        "sampling": {"temperature": 0.0},
        "out": "here",
        "concurrency": 2,
    }


def test_the_hash_sees_what_defines_a_result_and_nothing_else():
    base = config_hash(Config())
    assert base == config_hash(Config(out=Path("there"), concurrency=8))
    assert base == config_hash(plain(Config()))
    others = [Config(model="x"), Config(bench=("mbpp",)), Config(sampling=Sampling(seed=0))]
    assert len({base, *map(config_hash, others)}) == 4


def test_changed_keys_are_dotted_names():
    other = Config(model="x", sampling=Sampling(seed=1), concurrency=9)
    assert changed_keys(Config(), other) == ["model", "sampling.seed"]
    assert changed_keys(Config(), Config(out=Path("x"))) == []


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.toml", "x = !\n", r"a\.toml: broken TOML: .*line 1"),
        ("a.yaml", "x: [1", r"a\.yaml:\d+: broken YAML"),
        ("a.yaml", "- 1", r"a\.yaml: must hold keys"),
        ("a.json", "{}", r"a\.json: settings are read from"),
        ("a.toml", b"x = '\xff'", r"a\.toml: cannot be read"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, text, says):
    pytest.importorskip("yaml")
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=says) as caught:
        load_file(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.toml: no such file; check -c"):
        load_file(tmp_path / "none.toml")


def test_yaml_and_toml_say_the_same(tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "a.yaml").write_text("limit: 3\nsampling: {temperature: 0.5}\n")
    (tmp_path / "a.toml").write_text("limit = 3\n[sampling]\ntemperature = 0.5\n")
    assert load_file(tmp_path / "a.yaml") == load_file(tmp_path / "a.toml")


def test_yaml_without_pyyaml_ends_with_the_repair(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "a.yaml").write_text("x: 1\n")
    with pytest.raises(DependencyError, match=r"run: pip install pyyaml$"):
        load_file(tmp_path / "a.yaml")


APP = """
import json, sys
from dataclasses import asdict, dataclass, field
from typing import Annotated
from cyclopts import App, CycloptsError, Parameter
from opencoder.config import Common, layers
from opencoder.errors import UserError, OpenCoderError

PRESETS = {"p": {"limit": 1, "model": "preset", "sampling": {"temp": 0.1}}, "typo": {"modle": 1}}

def presets(name):
    if name not in PRESETS:
        raise UserError(f"no preset {name}")
    return PRESETS[name]

@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    temp: float = 0.0

@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    preset: str | None = None
    limit: int = 0
    model: str = "default"
    names: tuple[str, ...] = ()
    sampling: Annotated[Sampling, Parameter(name="sampling")] = field(default_factory=Sampling)

app = App(config=layers(presets), result_action="return_value")

@app.command
def go(*, config: Config | None = None, common: Common | None = None):
    print(json.dumps(asdict(config or Config())))

try:
    app(sys.argv[1:], exit_on_error=False, print_error=False)
except (CycloptsError, OpenCoderError) as error:
    sys.exit(str(error))
"""


def merged(tmp_path, *words, **env) -> Any:
    (tmp_path / "c.toml").write_text("limit = 2\nnames = ['a', 'b']\n[sampling]\ntemp = 0.2\n")
    (tmp_path / "deep.toml").write_text("[sampling]\ntmp = 2\n")
    (tmp_path / "typo.toml").write_text("limti = 2\n")
    done = subprocess.run(
        [sys.executable, "-c", APP, "go", *words], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


@pytest.mark.parametrize(
    ("words", "env", "limit", "model", "temp"),
    [
        ((), {}, 0, "default", 0.0),
        (("--preset", "p"), {}, 1, "preset", 0.1),
        (("--preset", "p", "-c", "c.toml"), {}, 2, "preset", 0.2),
        (("--preset", "p", "-c", "c.toml"), {"OPENCODER_GO_LIMIT": "3"}, 3, "preset", 0.2),
        (("--preset", "p", "-c", "c.toml", "--limit", "4"), {"OPENCODER_GO_LIMIT": "3"}, 4, "preset", 0.2),
        (("--sampling.temp", "0.9", "-c", "c.toml"), {}, 2, "default", 0.9),
        ((), {"OPENCODER_GO_CONFIG": "c.toml", "OPENCODER_DATA": "/x"}, 2, "default", 0.2),
    ],
)
def test_layers_rise_from_defaults_to_the_command_line(tmp_path, words, env, limit, model, temp):
    config = merged(tmp_path, *words, **env)
    assert (config["limit"], config["model"]) == (limit, model)
    assert config["sampling"]["temp"] == temp


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-c", "typo.toml"), "typo.toml: unknown key `limti`; did you mean `limit`?"),
        (("--preset", "typo"), "preset typo: unknown key `modle`; did you mean `model`?"),
        (
            ("-c", "deep.toml"),
            "deep.toml: unknown key `sampling.tmp`; did you mean `sampling.temp`?",
        ),
        (("--preset", "q"), "no preset q"),
        (("-c", "none.toml"), "none.toml: no such file; check -c"),
        (("--limit", "x"), 'Invalid value for --limit: unable to convert "x" into int.'),
    ],
)
def test_a_wrong_key_or_value_is_one_clear_line(tmp_path, words, says):
    assert merged(tmp_path, *words).strip() == says
