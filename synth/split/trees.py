"""Whole functions and classes of the languages that have a grammar of tree-sitter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synth.split.grammars import GRAMMARS, Grammar
from synth.split.unit import Kind, Sieve, Split, Unit

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_WORD = re.compile(rb"[A-Za-z_$][\w$]*")
_MAX_CONTEXT = 1000
"""Longest declaration that is context, in bytes; a longer one is a table."""
_IMPORTS = (b"#include", b"using", b"global using", b"package", b"require")
_DEEPEST = 20
"""Classes in classes; beyond, the outer one is too long."""


def split_tree(text: str, language: str, parser: Parser, sieve: Sieve) -> Split:
    """Split a text into its top-level functions and classes; parts with errors in them are left out.

    A class that is too long gives its methods, with the head of the class as context, open bracket and all.
    """
    from opencoder.trees import read_tree

    read = read_tree(parser, text)
    if read is None:
        sieve.drop("does_not_parse")
        return sieve.split()
    root, raw = read
    walk = _Walk(text, raw, language, GRAMMARS[language], sieve)
    walk.collect(root, outer="", heads=[], depth=0)
    split = sieve.split()
    if not split.units and not split.dropped and root.has_error:
        return Split(reason="does_not_parse", dropped={"does_not_parse": 1})
    return split


class _Walk:
    """One pass over a tree."""

    def __init__(self, text: str, raw: bytes, language: str, grammar: Grammar, sieve: Sieve) -> None:
        self.raw = raw
        self.language = language
        self.grammar = grammar
        self.sieve = sieve
        self._same = len(raw) == len(text)  # bytes are characters
        self._known = (0, 0)
        self._always: list[tuple[int, bytes]] = []
        self._context: list[tuple[int, bytes, frozenset[bytes]]] = []

    def collect(self, holder: Node, *, outer: str, heads: list[str], depth: int) -> None:
        nodes = holder.named_children
        self._keep_context(nodes)
        for index, node in enumerate(nodes):
            inner = self._unwrap(node)
            if inner.type in self.grammar.scopes:
                self._go_in(inner, node, outer=outer, heads=heads, depth=depth)
                continue
            kind = self._kind(inner)
            if kind is None:
                continue
            start = self._lead_start(nodes, index)
            end = node.end_byte + (self.raw[node.end_byte : node.end_byte + 1] == b";")
            unit = self._unit(start, end, kind, outer + self._name(inner), heads)
            if kind == "class" and not self.sieve.fits(unit.text) and self._body(inner) and depth < _DEEPEST:
                self._go_in(inner, node, outer=outer, heads=heads, depth=depth)
            elif node.has_error:
                self.sieve.drop("does_not_parse")
            else:
                self.sieve.add(unit)

    def _go_in(self, inner: Node, node: Node, *, outer: str, heads: list[str], depth: int) -> None:
        body = self._body(inner)
        if depth >= _DEEPEST:
            self.sieve.drop("too_long")
        elif body is None:  # a scope without brackets, such as a condition of the preprocessor
            self.collect(inner, outer=outer, heads=heads, depth=depth + 1)
        else:
            first = body.named_children[0].start_byte if body.named_children else body.end_byte
            head = self._decode(self.raw[node.start_byte : first]).rstrip()
            name = self._name(inner)
            self.collect(
                body, outer=f"{outer}{name}." if name else outer, heads=[*heads, head], depth=depth + 1
            )

    def _unwrap(self, node: Node) -> Node:
        if node.type not in self.grammar.wrappers:
            return node
        counted = [one for one in node.named_children if self._kind(one) or one.type in self.grammar.scopes]
        return counted[-1] if counted else node

    def _kind(self, node: Node) -> Kind | None:
        if node.type in self.grammar.functions:
            return "function"
        if node.type in self.grammar.classes:
            return "class"
        value = self._bound_value(node)
        if value is None:
            return None
        return "class" if value.type == "class" else "function"

    def _bound_value(self, node: Node) -> Node | None:
        """The function or class that a declaration or an assignment binds to a name."""
        if node.type not in self.grammar.bound or not node.named_children:
            return None
        first = node.named_children[0]
        value = first.child_by_field_name("value") or first.child_by_field_name("right")
        return value if value is not None and value.type in self.grammar.values else None

    def _body(self, node: Node) -> Node | None:
        value = self._bound_value(node) or node
        return next((one for one in value.named_children if one.type in self.grammar.bodies), None)

    def _name(self, node: Node) -> str:
        """The name in the fields of a node, down through declarators."""
        for _ in range(_DEEPEST):
            if self._bound_value(node) is not None:
                first = node.named_children[0]
                below = first.child_by_field_name("name") or first.child_by_field_name("left")
            else:
                fields = ("name", "declarator", "type")
                below = next((one for one in map(node.child_by_field_name, fields) if one), None)
                if below is None and node.type in self.grammar.classes and node.named_children:
                    below = node.named_children[-1]
            if below is None:
                break
            node = below
        text = self._decode(self.raw[node.start_byte : node.end_byte])
        return text if len(text) <= 200 and "\n" not in text else ""

    def _lead_start(self, nodes: Sequence[Node], index: int) -> int:
        """Where the comments and attributes right above a node begin."""
        start = nodes[index]
        for before in reversed(nodes[:index]):
            gap = self.raw[before.end_byte : start.start_byte]
            alone = self._line_start(before.start_byte) is not None
            if before.type not in self.grammar.leads or gap.strip() or gap.count(b"\n") > 1 or not alone:
                break
            start = before
        line = self._line_start(start.start_byte)
        return start.start_byte if line is None else line

    def _line_start(self, at: int) -> int | None:
        """Where the line of a place begins; None if something stands before it there."""
        line = self.raw.rfind(b"\n", 0, at) + 1
        return None if self.raw[line:at].strip() else line

    def _keep_context(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            text = self.raw[node.start_byte : node.end_byte].rstrip()
            if len(text) > _MAX_CONTEXT or node.has_error or self._kind(self._unwrap(node)):
                continue
            if node.type in self.grammar.always and text.startswith(_IMPORTS):
                self._always.append((node.start_byte, text))
            elif node.type in self.grammar.context:
                self._context.append((node.start_byte, text, frozenset(_WORD.findall(text))))

    def _unit(self, start: int, end: int, kind: Kind, name: str, heads: list[str]) -> Unit:
        words = set(_WORD.findall(self.raw[start:end]))
        for head in heads:
            words |= set(_WORD.findall(head.encode()))
        used = [*self._always, *((at, text) for at, text, bound in self._context if bound & words)]
        context = [self._decode(text) for at, text in sorted(used) if not start <= at < end]
        return Unit(
            text=self._decode(self.raw[start:end]),
            language=self.language,
            start=self._index(start),
            kind=kind,
            name=name,
            context="\n".join([*context, *heads]),
        )

    def _index(self, at: int) -> int:
        """The character that byte ``at`` begins; places are asked for in rising order, or nearly."""
        if self._same:
            return at
        last, index = self._known if self._known[0] <= at else (0, 0)
        self._known = (at, index + len(self._decode(self.raw[last:at])))
        return self._known[1]

    @staticmethod
    def _decode(raw: bytes) -> str:
        return raw.decode("utf-8", "replace")
