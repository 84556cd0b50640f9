"""What the two extractors have in common: things and the paths that lead to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from synth.packages.store import ApiEntry, ApiParameter


class Route(msgspec.Struct, frozen=True):
    """A dotted name that leads to a thing.

    Attributes:
        name: The whole of it.
        public: Whether it is meant for users; if not, it works all the same.
        inherited: Whether the thing was defined in a base class.
    """

    name: str
    public: bool = True
    inherited: bool = False


class Found(msgspec.Struct, kw_only=True):
    """A thing with all of its paths.

    Attributes:
        entry: What is known of it; its name and aliases are chosen in the end.
        paths: What leads to it.
    """

    entry: ApiEntry
    paths: list[Route] = []


class Group(dict[str, Found]):
    """Things by a key that is the same for one thing whatever the path to it."""

    def meet(self, key: str, path: Route) -> Found | None:
        """Add a path to a thing that is known already; None for a new one."""
        found = self.get(key)
        if found is not None and path not in found.paths:
            found.paths.append(path)
        return found

    def named(self, preferred: Collection[str]) -> Iterator[ApiEntry]:
        """Yield the entries of all things that have a public path, each with its best name.

        Args:
            preferred: Names that documentation uses; they win.
        """
        for found in self.values():
            ranked = rank(found.paths, preferred)
            if ranked and (ranked[0].public or ranked[0].name in preferred):
                names = list(dict.fromkeys(path.name for path in ranked))
                found.entry.name, *found.entry.aliases = names
                yield found.entry


def rank(paths: Iterable[Route], preferred: Collection[str]) -> list[Route]:
    """Sort paths, the best first: documented, public, not inherited, short, early in the alphabet."""
    return sorted(
        paths,
        key=lambda path: (
            path.name not in preferred,
            not path.public,
            path.inherited,
            path.name.count("."),
            len(path.name),
            path.name,
        ),
    )


def signature_text(parameters: Iterable[ApiParameter], returns: str = "") -> str:
    """Write parameters as a signature, with all stars and slashes that belong in it."""
    parts: list[str] = []
    seen_star = waiting_slash = False
    for one in parameters:
        if waiting_slash and one.kind != "positional":
            parts.append("/")
        waiting_slash = one.kind == "positional"
        if one.kind == "keyword" and not seen_star:
            parts.append("*")
        seen_star = seen_star or one.kind in ("keyword", "var_positional")
        parts.append(_parameter_text(one))
    if waiting_slash:
        parts.append("/")
    return f"({', '.join(parts)})" + (f" -> {returns}" if returns else "")


def _parameter_text(one: ApiParameter) -> str:
    text = {"var_positional": "*", "var_keyword": "**"}.get(one.kind, "") + one.name
    if one.annotation:
        return f"{text}: {one.annotation}" + ("" if one.default is None else f" = {one.default}")
    return text if one.default is None else f"{text}={one.default}"
