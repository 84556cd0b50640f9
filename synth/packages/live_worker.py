"""Looks at loaded modules: the program that ``extract_live`` runs in another process.

Standard library only and no import of ours: its text runs in a sandbox, or under another interpreter. It
reads ``request.json`` in its working folder and writes ``live.jsonl`` there, one line per module. Loading a
package runs its code, which may print, warn or raise; none of that may end this program.
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import inspect
import io
import json
import re
import sys
import types
import typing
import warnings

Record = dict[str, typing.Any]

_NO_NAME = "no_such_name_zq7"
_LONGEST = 120
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "normal",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}
# Wrappers that pass arguments on as they are, so that the signature of what they wrap holds.
_TRANSPARENT = {"_lru_cache_wrapper", "_ArrayFunctionDispatcher"}
_PROPERTIES = (property, types.GetSetDescriptorType, types.MemberDescriptorType)


def main() -> None:
    """Load the modules of the request, then describe each."""
    with open("request.json", encoding="utf-8") as file:  # noqa: PTH123 - runs where pathlib may be old
        request = json.load(file)
    _limit(request["limits"])
    sys.path[:0] = request["paths"]
    roots = tuple(request["roots"])
    loaded: dict[str, types.ModuleType | str] = {name: _load(name) for name in request["modules"]}
    with open("live.jsonl", "w", encoding="utf-8") as out:  # noqa: PTH123
        for name, module in loaded.items():
            if isinstance(module, str):
                row: Record = {"module": name, "error": module}
            else:
                try:
                    row = _describe_module(name, module, roots)
                except Exception as error:  # noqa: BLE001 - objects of anybody's may do anything
                    row = {"module": name, "error": f"{type(error).__name__}: {error}"[:300]}
            out.write(json.dumps(row) + "\n")


def _limit(limits: dict[str, int]) -> None:
    if limits:
        import resource

        for name, value in limits.items():
            resource.setrlimit(getattr(resource, name), (value, value))


def _load(name: str) -> types.ModuleType | str:
    silence = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(name)
            return sys.modules[name]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the package raises
            return f"{type(error).__name__}: {error}"[:300]


def _describe_module(name: str, module: types.ModuleType, roots: tuple[str, ...]) -> Record:
    names = {one for one in dir(module) if isinstance(one, str)}
    lazy = "__getattr__" in vars(module) or hasattr(type(module), "__getattr__")
    is_open = False
    if lazy:
        is_open = _fetch(module, _NO_NAME)[0]
    if lazy and not is_open:
        names.update(one for one in _hints(module) if one not in names and _fetch(module, one)[0])
    listed = vars(module).get("__all__") if is_open else getattr(module, "__all__", None)
    public = {str(one) for one in listed} if listed is not None else set()
    objects = []
    for one in sorted(names | public):
        there, value, warned = _fetch(module, one)
        if not there or (one.startswith("_") and one not in public):
            continue
        names.add(one)
        is_public = one in public if listed is not None else _is_own(module, name, value, roots)
        worn = lazy and warned and one not in vars(module)
        is_public = is_public or bool(worn)
        if isinstance(value, types.ModuleType) or not (is_public or _is_of(value, roots)):
            continue
        found = _describe(value, roots)
        found.update(path=f"{name}.{one}", public=is_public)
        if worn:
            found["warned"] = warned
        objects.append(found)
    return {
        "module": name,
        "doc": _doc(module),
        "members": sorted(names),
        "open": is_open,
        "file": getattr(module, "__file__", None) or "",
        "objects": objects,
    }


def _fetch(holder: object, name: str) -> tuple[bool, typing.Any, str]:
    """Return whether there is such an attribute, its value, and what warning of disuse came with it."""
    silence = io.StringIO()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            try:
                value = getattr(holder, name)
            except (Exception, SystemExit):  # noqa: BLE001 - a property of anybody's
                return False, None, ""
    kinds = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    texts = [" ".join(str(one.message).split()) for one in caught if issubclass(one.category, kinds)]
    return True, value, next(iter(texts), "")


def _hints(module: types.ModuleType) -> list[str]:
    """Return the names that a module's ``__getattr__`` may know.

    Those are the identifiers among the constants of its code, in its closure, in the containers that the
    module holds, and in those that the functions which it calls refer to.
    """
    found: set[str] = set()
    for value in list(vars(module).values()):
        if isinstance(value, (dict, list, tuple, set, frozenset)):
            _collect(value, found, 0)
    waiting: list[typing.Any] = [vars(module).get("__getattr__")]
    seen: set[int] = set()
    while waiting and len(seen) < 50:
        function = waiting.pop()
        code = getattr(function, "__code__", None)
        if code is None or id(code) in seen:
            continue
        seen.add(id(code))
        _collect(code, found, 0)
        values = [function.__globals__.get(name) for name in code.co_names]
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):
                values.append(cell.cell_contents)
        for value in values:
            if isinstance(value, types.FunctionType):
                waiting.append(value)
            else:
                _collect(value, found, 0)
    return sorted(found)


def _collect(value: typing.Any, found: set[str], depth: int) -> None:
    if depth > 4 or len(found) > 20_000:
        return
    if isinstance(value, str):
        if len(value) <= _LONGEST:
            found.update(one for one in _IDENTIFIER.findall(value) if not one.startswith("__"))
    elif isinstance(value, types.CodeType):
        _collect(value.co_consts, found, depth)
    elif isinstance(value, dict):
        for one in [*value.keys(), *value.values()]:
            _collect(one, found, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in list(value):
            _collect(one, found, depth + 1)


def _is_of(value: object, roots: tuple[str, ...]) -> bool:
    home = _home(value)
    return any(home == root or home.startswith(root + ".") for root in roots)


def _is_own(module: types.ModuleType, name: str, value: object, roots: tuple[str, ...]) -> bool:
    """Tell whether a name of a module without ``__all__`` is meant for users.

    What a package imports from its own modules is; what a plain module imports is not.
    """
    home = _home(value)
    if not home:
        return not str(getattr(module, "__file__", "")).endswith(".py") and not callable(value)
    return home == name or (hasattr(module, "__path__") and _is_of(value, roots))


def _home(value: object) -> str:
    home = getattr(value, "__module__", None) if callable(value) else None
    return home if isinstance(home, str) else ""


def _describe(value: typing.Any, roots: tuple[str, ...]) -> Record:
    row: Record = {"id": id(value), "kind": _kind(value)}
    if row["kind"] == "attribute":
        return {**row, "signature": _value(value)}
    row.update(doc=_doc(value), module=_home(value), name=getattr(value, "__qualname__", ""))
    row.update(_signature(value))
    if message := _message(value):
        row["deprecated"] = message
    if inspect.isclass(value):
        row.update(_describe_class(value, roots))
    return row


def _describe_class(cls: type, roots: tuple[str, ...]) -> Record:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {*dir(cls), *dir(type(cls))}
    hooks = any(hasattr(type(cls), hook) for hook in ("__getattr__",))
    objects = []
    for name in sorted(names):
        holder = next((base for base in cls.__mro__ if name in vars(base)), None)
        if name.startswith("_") or holder is None or not _is_of(holder, roots):
            continue
        raw = vars(holder)[name]
        if inspect.isclass(raw) or isinstance(raw, types.ModuleType):
            continue
        inner = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
        if isinstance(inner, _PROPERTIES):
            found: Record = {"id": id(inner), "kind": "property", "doc": _doc(inner)}
        elif callable(inner):
            found = {"id": id(inner), "kind": "method", "doc": _doc(inner)}
            found.update(_signature(inner, bound=not isinstance(raw, staticmethod)))
            if message := _message(inner):
                found["deprecated"] = message
        else:
            continue
        found.update(path=name, public=True, inherited=holder is not cls)
        objects.append(found)
    return {
        "members": sorted(names),
        "open": hooks and not isinstance(cls, enum.EnumMeta),
        "objects": objects,
    }


def _message(value: object) -> str:
    """Return what ``warnings.deprecated`` left on a function or class."""
    message = getattr(value, "__dict__", {}).get("__deprecated__", "")
    return " ".join(message.split()) if isinstance(message, str) else ""


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return "class"
    home = type(value).__module__.split(".")[0]
    named = isinstance(getattr(value, "__name__", None), str)
    return "function" if inspect.isroutine(value) or (callable(value) and named and home) else "attribute"


def _doc(value: object) -> str:
    doc = getattr(value, "__doc__", None)
    return doc if isinstance(doc, str) else ""


def _value(value: object) -> str:
    if isinstance(value, (bool, int, float, str, bytes, type(None))):
        return f": {type(value).__name__} = {_text(value)}"
    return f": {type(value).__name__}"


def _text(value: object) -> str:
    """Return a default as text that is the same in every process."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return str(getattr(value, "__name__", "..."))
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a repr of anybody's
        return "..."
    return "..." if _ADDRESS.search(text) or len(text) > _LONGEST or "\n" in text else text


def _signature(value: typing.Any, *, bound: bool = False) -> Record:
    try:
        signature = inspect.signature(value)
    except Exception:  # noqa: BLE001 - many builtins have none, some hooks raise anything
        text = getattr(value, "__text_signature__", None)
        return {"signature": text} if isinstance(text, str) else {}
    given = list(signature.parameters.values())
    if (
        bound
        and given
        and given[0].kind
        in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        )
    ):
        given = given[1:]
    empty = inspect.Parameter.empty
    parameters = []
    for one in given:
        row: Record = {"name": one.name, "kind": _KINDS[one.kind]}
        if one.default is not empty:
            row["default"] = _text(one.default)
        if one.annotation is not empty:
            row["annotation"] = _annotation(one.annotation)
        parameters.append(row)
    found: Record = {"parameters": parameters, "exact": _is_exact(value)}
    if signature.return_annotation is not empty and not inspect.isclass(value):
        found["returns"] = _annotation(signature.return_annotation)
    return found


def _annotation(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        text = inspect.formatannotation(value)
    except Exception:  # noqa: BLE001
        return ""
    return "" if _ADDRESS.search(text) or len(text) > _LONGEST else text


def _is_exact(value: typing.Any) -> bool:
    """Tell whether the signature is what the interpreter enforces, not what a wrapper claims."""
    if inspect.isclass(value):
        if type(value).__call__ is not type.__call__ or "__signature__" in vars(value):
            return False
        makers = [getattr(value, name) for name in ("__init__", "__new__")]
        own = [one for one in makers if isinstance(one, types.FunctionType)]
        return len(own) == 1 and _is_exact(own[0])
    if type(value).__name__ in _TRANSPARENT:
        return not hasattr(value, "__wrapped__") or _is_exact(value.__wrapped__)
    if isinstance(value, types.FunctionType):
        return not hasattr(value, "__wrapped__") and "__signature__" not in vars(value)
    if not isinstance(value, (types.BuiltinFunctionType, types.MethodDescriptorType)):
        return False
    # Written by hand where they are not made by Argument Clinic; a parameter that stands for two
    # (``arange(start_or_stop, /)``) may be given by a name that the text does not show.
    try:
        given = inspect.signature(value).parameters.values()
    except Exception:  # noqa: BLE001 - many builtins have none
        return False
    return not any(one.kind is one.POSITIONAL_ONLY and one.name != "self" for one in given)


if __name__ == "__main__":
    main()
