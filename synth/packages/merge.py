"""Puts together what sources say and what loaded modules say.

Sources win where both know something: docstrings, places, annotations as they were written. Loaded modules
add compiled members and signatures, and they decide what names there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from synth.packages.docstrings import clean, read_docstring
from synth.packages.extract_live import LiveModule, LiveObject
from synth.packages.found import Found, Group, Route, signature_text
from synth.packages.store import ApiEntry, Kind

_KINDS: dict[str, Kind] = {
    "class": "class",
    "function": "function",
    "method": "method",
    "property": "property",
    "attribute": "attribute",
}


def merge(
    static: Iterable[ApiEntry], live: Iterable[LiveModule], *, preferred: Collection[str] = ()
) -> list[ApiEntry]:
    """Merge entries read from sources with loaded modules; modules that failed to load change nothing."""
    merger = _Merger(static, preferred)
    loaded = [module for module in live if not module.error]
    for module in loaded:
        merger.module(module)
    for module in loaded:
        merger.objects(module)
    return merger.finish()


class _Merger:
    def __init__(self, static: Iterable[ApiEntry], preferred: Collection[str]) -> None:
        self._entries = {entry.name: entry for entry in static}
        self._aliases = {alias: one.name for one in self._entries.values() for alias in one.aliases}
        self._preferred = preferred
        self._new = Group()
        self._members = Group()
        self._classes: dict[str, LiveObject] = {}

    def module(self, module: LiveModule) -> None:
        entry = self._entries.get(module.module)
        if entry is None or entry.kind != "module":
            entry = ApiEntry(name=module.module, kind="module", origin="live")
            self._entries[module.module] = entry
            _describe(entry, module.doc)
        else:
            entry.origin = "both"
        if not entry.doc:
            _describe(entry, module.doc)
        entry.members = sorted({*entry.members, *module.members})
        entry.open = module.open

    def objects(self, module: LiveModule) -> None:
        for one in module.objects:
            known = self._known(one.path)
            if known is not None and one.warned and known.name != one.path:
                known = None  # this path to it is on its way out, not the thing itself
            if known is not None and known.kind != "module":
                _fill(known, one)
                if known.kind == "class":
                    self._class(known, one)
                continue
            path = Route(one.path, public=one.public)
            key = f"{one.id} {one.path if one.warned else ''}"
            if self._new.meet(key, path) is None:
                self._new[key] = Found(entry=_entry(one), paths=[path])
                self._classes[key] = one

    def finish(self) -> list[ApiEntry]:
        """Name what only loading showed, with the members of classes."""
        keys = {id(found.entry): key for key, found in self._new.items()}
        for entry in list(self._new.named(self._preferred)):
            there = self._entries.get(entry.name)
            if there is not None and there.kind != "module":
                continue
            self._entries[entry.name] = entry  # a module behind a thing of the same name cannot be reached
            if entry.kind == "class":
                self._class(entry, self._classes[keys[id(entry)]])
        for entry in self._members.named(self._preferred):
            self._entries.setdefault(entry.name, entry)
        for entry in self._entries.values():
            entry.aliases = [alias for alias in entry.aliases if alias not in self._entries]
        return list(self._entries.values())

    def _class(self, entry: ApiEntry, live: LiveObject) -> None:
        entry.members = sorted({*entry.members, *live.members})
        entry.open = live.open
        for one in live.objects:
            path = Route(f"{entry.name}.{one.path}", inherited=one.inherited)
            known = self._known(path.name)
            if known is not None:
                _fill(known, one)
            elif self._members.meet(str(one.id), path) is None:
                self._members[str(one.id)] = Found(entry=_entry(one), paths=[path])

    def _known(self, path: str) -> ApiEntry | None:
        return self._entries.get(self._aliases.get(path, path))


def _entry(one: LiveObject) -> ApiEntry:
    entry = ApiEntry(name=one.path, kind=_KINDS[one.kind], origin="live")
    entry.members, entry.open = sorted(one.members), one.open
    _describe(entry, one.doc)
    _sign(entry, one)
    entry.deprecated = one.warned or one.deprecated or entry.deprecated
    return entry


def _describe(entry: ApiEntry, doc: str) -> None:
    marks = read_docstring(doc)
    entry.doc, entry.summary, entry.examples = clean(doc), marks.summary, marks.examples
    entry.since = entry.since or marks.since
    entry.deprecated = entry.deprecated or marks.deprecated
    if entry.is_callable and not entry.signature:
        entry.signature = marks.signature


def _sign(entry: ApiEntry, one: LiveObject) -> None:
    if one.parameters is not None:
        entry.parameters, entry.exact = one.parameters, one.exact
        entry.signature = signature_text(one.parameters, one.returns)
    elif one.signature:
        entry.signature = one.signature


def _fill(entry: ApiEntry, one: LiveObject) -> None:
    """Add to what sources said of a thing; what can be called with what is for the loaded one to say."""
    entry.origin = "both"
    if entry.kind == "attribute" and one.kind != "attribute":
        entry.kind, entry.signature = _KINDS[one.kind], ""  # a stub names no more than its type
    if not entry.doc and one.doc and entry.kind != "attribute":
        _describe(entry, one.doc)
    entry.deprecated = entry.deprecated or one.deprecated or one.warned
    if not entry.is_callable or one.kind == "attribute":
        return
    if one.parameters is None:
        entry.exact = False
        entry.signature = entry.signature or one.signature
    elif not entry.signature or [p.name for p in one.parameters] != [p.name for p in entry.parameters]:
        _sign(entry, one)
    else:
        entry.exact = one.exact
