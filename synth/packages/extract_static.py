"""Reads the interface of packages from their sources, without loading them.

griffe reads sources and stubs and follows names from where they are re-exported to where they are defined;
without that, a package whose ``__init__`` only imports from private modules would seem empty.
"""

from __future__ import annotations

import builtins
import logging
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import griffe

from synth.packages.docstrings import clean, read_docstring
from synth.packages.found import Found, Group, Route, signature_text
from synth.packages.modules import is_for_tests, is_public
from synth.packages.sources import Looks, deprecation_of, look_at
from synth.packages.store import ApiEntry, ApiParameter, Kind, ParameterKind

_LONGEST = 160
_SPECIAL_BASES = {
    "typing.Generic",
    "typing.Protocol",
    "typing_extensions.Protocol",
    "abc.ABC",
    "ABC",
    "Generic",
    "Protocol",
}
_UNKNOWN = (griffe.AliasResolutionError, griffe.CyclicAliasError, KeyError, AttributeError)
# Decorators that leave the call as it is.
_TRANSPARENT = {
    "abstractmethod", "array_function_dispatch", "asynccontextmanager", "cache", "cached_property",
    "classmethod", "contextmanager", "deprecated", "final", "lru_cache", "no_type_check", "overload",
    "override", "property", "runtime_checkable", "set_module", "staticmethod", "total_ordering",
}  # fmt: skip


def extract_static(site: Path, roots: Collection[str], *, preferred: Collection[str] = ()) -> list[ApiEntry]:
    """Read packages.

    Args:
        site: The folder that they are installed in.
        roots: Their names, as ``import`` takes them.
        preferred: Names that documentation uses (see ``synth.packages.inventory``).

    Returns:
        An entry for every public module and for every public name in one; those of classes come with
        members. Distribution, version and license are left to the caller.
    """
    site = site.resolve()
    walk = _Walk(site, roots)
    if walk.load_all():
        return walk.entries(preferred)
    # griffe gives up on some packages whose stubs describe compiled modules; their sources alone it can read.
    with tempfile.TemporaryDirectory(prefix="opencoder-api-") as folder:
        copy = Path(folder).resolve()
        _copy_sources(site, roots, copy)
        walk = _Walk(copy, roots)
        walk.load_all()
        return walk.entries(preferred)


def _copy_sources(site: Path, roots: Collection[str], target: Path) -> None:
    for root in roots:
        base = site.joinpath(*root.split("."))
        for file in base.rglob("*.py"):
            place = target / file.relative_to(site)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())


class _Finder(griffe.ModuleFinder):
    """Leaves tests out: in some packages they are most of the source."""

    def submodules(self, module: griffe.Module) -> list[tuple[tuple[str, ...], Path]]:
        return [found for found in super().submodules(module) if not is_for_tests(found[0])]


class _Walk:
    """A walk through loaded modules that collects things and the paths to them."""

    def __init__(self, site: Path, roots: Collection[str]) -> None:
        logging.getLogger("griffe").setLevel(logging.CRITICAL)
        self._site = site
        self._roots = tuple(roots)
        self._loader = griffe.GriffeLoader(search_paths=[site], allow_inspection=False)
        self._loader.finder = _Finder(search_paths=[site])
        self._modules: dict[str, ApiEntry] = {}
        self._group = Group()
        self._classes: dict[str, griffe.Class] = {}
        self._looks: dict[str, Looks] = {}

    def load_all(self) -> bool:
        """Load the packages with their submodules and collect what is in them; False if griffe gives up."""
        try:
            loaded = [module for root in self._roots if (module := self._load(root)) is not None]
            self._loader.resolve_aliases(implicit=True, external=False)
        except griffe.GriffeError:
            return False
        for module in loaded:
            self.module(module, module.path)
        return True

    def _load(self, root: str) -> Any:
        """Load one package; None where there is no source to read."""
        try:
            module = self._loader.load(root, try_relative_path=False)
        except (griffe.LoadingError, ImportError):
            return None
        return module if module.is_module else None

    def module(self, module: Any, name: str) -> None:
        """Collect what is in a module, under the name that users have for it."""
        if name in self._modules:
            return
        entry = self._entry(module, "module")
        entry.name = name
        entry.members = sorted(module.members)
        entry.open = (
            self._look(module).is_dynamic
            or self._is_stub(module)
            or any(member.is_alias and member.wildcard for member in module.members.values())
        )
        self._modules[name] = entry
        exports = None if module.exports is None else {str(one) for one in module.exports}
        for one, member in sorted(module.members.items()):
            path = f"{name}.{one}"
            target = self._target(member)
            if target is None or not self._is_ours(target.path):
                continue
            if target.is_module:
                own = not member.is_alias
                listed = exports is not None and one in exports
                if (own and is_public(path)) or (listed and not is_public(target.path)):
                    self.module(target, path)
                continue
            if one.startswith("_") and (exports is None or one not in exports):
                continue
            public = one in exports if exports is not None else _is_own(module, member)
            self._add(target, Route(path, public=public))

    def entries(self, preferred: Collection[str]) -> list[ApiEntry]:
        """Name what was collected, then collect the members of the classes under the names chosen."""
        named = list(self._group.named(preferred))
        inner = Group()
        for entry in named:
            if entry.kind == "class":
                self._class(entry, inner)
        found = [*named, *inner.named(preferred)]
        names = {entry.name for entry in found}
        return [*found, *(entry for name, entry in self._modules.items() if name not in names)]

    def _add(self, target: Any, path: Route) -> None:
        if self._group.meet(target.path, path) is None:
            kind: Kind = "class" if target.is_class else "function" if target.is_function else "attribute"
            if kind == "class":
                self._classes[target.path] = target
            self._group[target.path] = Found(entry=self._entry(target, kind), paths=[path])
            self._group[target.path].entry.name = target.path

    def _class(self, entry: ApiEntry, group: Group) -> None:
        target = self._classes[next(key for key, one in self._group.items() if one.entry is entry)]
        bases, known = self._bases(target)
        names = {one for base in [target, *bases] for one in base.members}
        stub = any(self._is_stub(one) for one in [target, *bases])
        known = known and not stub
        entry.members = sorted(names | _names_of_builtins(target, bases))
        entry.open = not known or _has_metaclass([target, *bases]) or self._is_decorated(target)
        entry.exact = entry.exact and known
        for name in sorted(names):
            holder = next(base for base in [target, *bases] if name in base.members)
            member = self._target(holder.members[name])
            if name.startswith("_") or member is None or member.is_module or member.is_class:
                continue
            path = Route(f"{entry.name}.{name}", inherited=holder is not target)
            if group.meet(member.path, path) is None:
                is_property = "property" in member.labels or "cached-property" in member.labels
                kind: Kind = "method" if member.is_function else "property" if is_property else "attribute"
                group[member.path] = Found(entry=self._entry(member, kind), paths=[path])
                group[member.path].entry.exact &= not stub

    def _bases(self, target: Any) -> tuple[list[Any], bool]:
        """Return the classes that a class inherits from, and whether all of them are known."""
        try:
            bases = [base for base in target.mro() if base is not target]
        except (ValueError, *_UNKNOWN):
            return [], False
        for cls in [target, *bases]:
            outside = [one for one in cls.bases if not _is_known_base(_path_of(one))]
            try:
                inside = [one for one in cls.resolved_bases if one.is_class]
            except _UNKNOWN:
                return bases, False
            if len(outside) > len(inside):
                return bases, False
        return bases, True

    def _entry(self, target: Any, kind: Kind) -> ApiEntry:
        doc = clean(target.docstring.value) if target.docstring is not None else ""
        marks = read_docstring(doc)
        entry = ApiEntry(
            name=target.path,
            kind=kind,
            doc=doc,
            summary=marks.summary,
            examples=marks.examples,
            since=marks.since,
            deprecated=marks.deprecated or self._deprecation(target),
            file=self._file(target),
            line=target.lineno or 0,
        )
        if kind in ("function", "method"):
            entry.parameters = _parameters(target, bound=kind == "method")
            entry.signature = signature_text(entry.parameters, _cut(target.annotation))
            entry.exact = not self._is_decorated(target) and not self._is_stub(target)
        elif kind == "class":
            self._set_constructor(entry, target)
        elif kind in ("attribute", "property"):
            entry.signature = _value_text(target, with_value=kind == "attribute")
        return entry

    def _set_constructor(self, entry: ApiEntry, target: Any) -> None:
        makers = {}
        for name in ("__init__", "__new__"):
            try:
                maker = self._target(target.all_members[name])
            except (ValueError, *_UNKNOWN):
                continue
            if maker is not None and maker.is_function:
                makers[name] = maker
        if not makers:
            return
        maker = makers.get("__init__") or makers["__new__"]
        entry.parameters = _parameters(maker, bound=True)
        entry.signature = signature_text(entry.parameters)
        entry.exact = (
            len(makers) == 1
            and not self._is_decorated(maker)
            and not self._is_decorated(target)
            and not _has_metaclass([target])
        )

    def _deprecation(self, target: Any) -> str:
        for decorator in getattr(target, "decorators", ()):
            path = decorator.callable_path.lower()
            if path.rpartition(".")[2] in ("deprecated", "deprecate", "_deprecated"):
                return self._look(target).decorator_text(target.lineno or 0) or "deprecated"
        if target.is_function:
            return deprecation_of(self._look(target).text, target.lineno or 0, target.endlineno or 0)
        return ""

    def _is_decorated(self, target: Any) -> bool:
        """Tell whether a decorator may have changed how the thing is called."""
        names = {decorator.callable_path.rpartition(".")[2] for decorator in target.decorators}
        allowed = {"dataclass"} if target.is_class else set()
        return bool(names - _TRANSPARENT - allowed)

    def _is_stub(self, target: Any) -> bool:
        """Tell whether a thing is known from a stub alone, which need not say all that there is.

        griffe shows what stubs add as if it stood in the source file beside them.
        """
        path = target.filepath
        if isinstance(path, list) or target.is_module:
            return not isinstance(path, list) and path.suffix == ".pyi"
        defined = re.search(rf"\b(?:class|def)\s+{re.escape(target.name)}\b", self._look(target).text)
        return path.suffix == ".pyi" or defined is None

    def _look(self, target: Any) -> Looks:
        path = str(target.filepath) if not isinstance(target.filepath, list) else ""
        if path not in self._looks:
            self._looks[path] = look_at(Path(path) if path else None)
        return self._looks[path]

    def _target(self, member: Any) -> Any:
        try:
            return member.final_target if member.is_alias else member
        except _UNKNOWN:
            return None

    def _is_ours(self, path: str) -> bool:
        return any(path == root or path.startswith(f"{root}.") for root in self._roots)

    def _file(self, target: Any) -> str:
        path = target.filepath
        if isinstance(path, list) or not path.is_relative_to(self._site):
            return ""
        return str(path.relative_to(self._site).as_posix())


def _is_own(module: Any, member: Any) -> bool:
    """Tell whether a name of a module without ``__all__`` is meant for users.

    What a package imports from its own modules is; what a plain module imports is not.
    """
    return bool(not member.is_alias or module.is_init_module)


def _has_metaclass(classes: Collection[Any]) -> bool:
    return any("metaclass" in getattr(cls, "keywords", {}) for cls in classes)


def _path_of(base: Any) -> str:
    path = getattr(base, "canonical_path", None)
    return str(path if path is not None else base).partition("[")[0]


def _is_known_base(path: str) -> bool:
    return path in _SPECIAL_BASES or isinstance(_builtin(path), type)


def _builtin(path: str) -> object:
    return getattr(builtins, path.removeprefix("builtins."), None)


def _names_of_builtins(target: Any, bases: Collection[Any]) -> set[str]:
    """Return the names that builtin bases give, and those of ``type`` and of abstract classes."""
    names = {*dir(object), *dir(type), "register"}
    for cls in [target, *bases]:
        for base in cls.bases:
            names.update(dir(_builtin(_path_of(base))) if isinstance(_builtin(_path_of(base)), type) else ())
    return names


_KINDS: dict[str, ParameterKind] = {
    "positional-only": "positional",
    "positional or keyword": "normal",
    "variadic positional": "var_positional",
    "keyword-only": "keyword",
    "variadic keyword": "var_keyword",
}


def _parameters(function: Any, *, bound: bool) -> list[ApiParameter]:
    given = list(function.parameters)
    is_static = "staticmethod" in function.labels
    if (
        bound
        and not is_static
        and given
        and given[0].kind.value in ("positional-only", "positional or keyword")
    ):
        given = given[1:]
    return list(_convert(given))


def _convert(given: list[Any]) -> Iterator[ApiParameter]:
    for one in given:
        kind = _KINDS[one.kind.value]
        variadic = kind in ("var_positional", "var_keyword")
        yield ApiParameter(
            name=one.name,
            kind=kind,
            default=None if variadic or one.default is None else _cut(one.default),
            annotation=_cut(one.annotation, instead=""),
        )


def _value_text(target: Any, *, with_value: bool) -> str:
    annotation, value = _cut(target.annotation, instead=""), _cut(target.value) if with_value else ""
    return f"{f': {annotation}' if annotation else ''}{f' = {value}' if value else ''}"


def _cut(value: Any, *, instead: str = "...") -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST and "\n" not in text else instead
