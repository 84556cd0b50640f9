"""Settings: where they come from, what they are called on disk, and which of them define a result.

A command takes one frozen dataclass. Its fields are filled from, in rising order: the defaults, the
preset (``--preset``), the file (``-c FILE``, TOML or YAML, keys named like the flags), the environment
(``OPENCODER_<COMMAND>_<FLAG>``, as in ``OPENCODER_EVAL_SCORE_LIMIT=10``), and the command line.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import json
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter, UnknownOptionError
from cyclopts.config import Dict, Env

from opencoder.errors import DataError, DependencyError, UserError

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import ArgumentCollection

VOLATILE = frozenset(
    {"out", "limit", "concurrency", "resume", "config", "json", "quiet", "verbose", "base_url", "api_key"}
)
"""Settings that change how a run goes but not what comes out of a unit; they are not part of its hash."""


@Parameter(name="*")
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Common:
    """Options of every command (take it as a keyword parameter ``common: Common | None = None``)."""

    config: Annotated[Path | None, Parameter(name=("--config", "-c"))] = None
    """TOML or YAML file with values for the flags of this command."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print one JSON object on stdout."""
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative="")] = False
    """No progress on stderr, errors only."""
    verbose: Annotated[bool, Parameter(name=("--verbose", "-v"), negative="")] = False
    """More on stderr, tracebacks of internal errors too."""


def load_file(path: Path) -> dict[str, Any]:
    """Read a TOML (``.toml``) or YAML (``.yaml``, ``.yml``) file of settings.

    Raises:
        DataError: It cannot be read, is broken, or is not a table of keys.
        DependencyError: It is YAML and PyYAML is not installed.
        UserError: The suffix is neither.
    """
    if path.suffix not in {".toml", ".yaml", ".yml"}:
        raise UserError(f"{path}: settings are read from .toml, .yaml or .yml; rename or convert the file")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DataError("no such file; check -c", path=path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path=path) from error
    values = _parse_toml(text, path) if path.suffix == ".toml" else _parse_yaml(text, path)
    if not isinstance(values, dict):
        raise DataError("must hold keys and values at the top", path=path)
    return values


def _parse_toml(text: str, path: Path) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"broken TOML: {error}", path=path) from error


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as error:
        raise DependencyError(f"{path}: PyYAML is needed for YAML", repair="pip install pyyaml") from error
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise DataError(f"broken YAML: {getattr(error, 'problem', error)}", path=path, line=line) from error


Presets = Callable[[str], Mapping[str, Any]]
"""Gives the settings of a preset by its name; raises ``UserError`` for an unknown one."""


def layers(presets: Presets | None = None) -> tuple[Callable[..., None], ...]:
    """Return what fills the flags that the command line left open: ``App(config=layers(...))``.

    The environment comes first, then the file that ``--config`` names, then the preset that
    ``--preset`` names. An unknown key is a usage error with the nearest right one.
    """
    chain: list[Callable[..., None]] = [Env("OPENCODER_", show=False), _file_layer]
    if presets is not None:
        chain.append(_preset_layer(presets))
    return tuple(chain)


def _given(arguments: ArgumentCollection, name: str) -> str | None:
    for argument in arguments:
        if name in argument.names and argument.tokens:
            return argument.tokens[0].value
    return None


def _file_layer(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    if name := _given(arguments, "--config"):
        _fill(load_file(Path(name)), name, app, commands, arguments)


def _preset_layer(presets: Presets) -> Callable[..., None]:
    def layer(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        if name := _given(arguments, "--preset"):
            _fill(dict(presets(name)), f"preset {name}", app, commands, arguments)

    return layer


def _fill(
    values: dict[str, Any], source: str, app: App, commands: tuple[str, ...], arguments: ArgumentCollection
) -> None:
    """Give ``values`` to the arguments that have none yet."""
    try:
        Dict(values, source=source, use_commands_as_keys=False)(app, commands, arguments)
    except UnknownOptionError as error:
        key = (error.token.keyword or "").strip("[]").replace("][", ".")
        known = [name.removeprefix("--") for argument in arguments for name in argument.names]
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "see --help for what there is"
        raise UserError(f"{source}: unknown key `{key}`; {hint}") from error


def plain(value: Any) -> Any:
    """Return settings as what JSON and TOML know; tables are sorted, what is ``None`` is left out.

    Dataclasses become tables, paths and enums their text, sets sorted lists.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str) if value[key] is not None}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def config_hash(config: Any, *, volatile: Collection[str] = VOLATILE) -> str:
    """Return the hex SHA-256 of the canonical JSON of the settings that define a result."""
    kept = {key: value for key, value in plain(config).items() if key not in volatile}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def changed_keys(old: Any, new: Any, *, volatile: Collection[str] = VOLATILE) -> list[str]:
    """Return the dotted names of the settings that differ, sorted."""
    before, after = (dict(_flat(plain(config))) for config in (old, new))
    names = {name for name in before.keys() | after.keys() if name.split(".")[0] not in volatile}
    missing = object()
    return sorted(name for name in names if before.get(name, missing) != after.get(name, missing))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def to_toml(config: Any) -> str:
    """Return settings as TOML text that :func:`load_file` reads back to ``plain(config)``."""
    lines = list(_table(plain(config), ()))
    return "\n".join(lines).strip("\n") + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    # Values first: after a [header] they would belong to the sub-table.
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield ""
            yield "[" + ".".join(map(_key, (*path, key))) + "]"
            yield from _table(value, (*path, key))


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        # A TOML basic string is a JSON string, save that DEL must be escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
    return repr(value)
