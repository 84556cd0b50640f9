"""Grammars of tree-sitter, one entry a language: which nodes are units, and which hold some.

A grammar is a package of its own; where it is not installed, the language is split by separators instead.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser


def _types(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class Grammar:
    """What the nodes of a language are for us.

    Attributes:
        package: Python package that holds the grammar.
        factory: Its function that returns the grammar.
        functions: Nodes that are a function.
        classes: Nodes that are a class, an interface, a type ...
        scopes: Nodes that only hold others: namespaces, modules.
        wrappers: Nodes around one that counts: an export, a template.
        bodies: Nodes that hold the members of a class or a scope.
        context: Imports and declarations of one name, taken where a unit uses one of their words.
        always: Nodes that are needed by every unit, for they do not tell what they bring in.
        leads: Nodes that belong to the one behind them.
        bound: Nodes that may bind a function to a name.
        values: Expressions that are a function or a class.
    """

    package: str
    factory: str = "language"
    functions: frozenset[str]
    classes: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    wrappers: frozenset[str] = frozenset()
    bodies: frozenset[str] = frozenset()
    context: frozenset[str] = frozenset()
    always: frozenset[str] = frozenset()
    leads: frozenset[str] = _types("comment line_comment block_comment")
    bound: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()


_JAVASCRIPT = Grammar(
    package="tree_sitter_javascript",
    functions=_types("function_declaration generator_function_declaration method_definition"),
    classes=_types("class_declaration"),
    wrappers=_types("export_statement"),
    bodies=_types("class_body"),
    context=_types("import_statement lexical_declaration variable_declaration"),
    bound=_types("lexical_declaration variable_declaration expression_statement"),
    values=_types("arrow_function function_expression generator_function class"),
)

GRAMMARS = {
    "javascript": _JAVASCRIPT,
    "typescript": Grammar(
        package="tree_sitter_typescript",
        factory="language_tsx",
        functions=_JAVASCRIPT.functions,
        classes=_types(
            "class_declaration abstract_class_declaration interface_declaration enum_declaration"
            " type_alias_declaration"
        ),
        scopes=_types("internal_module module"),
        wrappers=_types("export_statement expression_statement ambient_declaration"),
        bodies=_types("class_body statement_block"),
        context=_JAVASCRIPT.context,
        bound=_JAVASCRIPT.bound,
        values=_JAVASCRIPT.values,
    ),
    "java": Grammar(
        package="tree_sitter_java",
        functions=_types("method_declaration constructor_declaration"),
        classes=_types("class_declaration interface_declaration enum_declaration record_declaration"),
        bodies=_types("class_body interface_body enum_body enum_body_declarations"),
        context=_types("import_declaration"),
    ),
    "c": Grammar(
        package="tree_sitter_c",
        functions=_types("function_definition"),
        classes=_types("struct_specifier enum_specifier union_specifier type_definition"),
        scopes=_types("preproc_ifdef preproc_if"),
        context=_types("preproc_def preproc_function_def"),
        always=_types("preproc_include"),
    ),
    "cpp": Grammar(
        package="tree_sitter_cpp",
        functions=_types("function_definition"),
        classes=_types("class_specifier struct_specifier enum_specifier union_specifier type_definition"),
        scopes=_types("namespace_definition linkage_specification preproc_ifdef preproc_if"),
        wrappers=_types("template_declaration"),
        bodies=_types("declaration_list field_declaration_list"),
        context=_types("preproc_def preproc_function_def alias_declaration"),
        always=_types("preproc_include using_declaration"),
    ),
    "csharp": Grammar(
        package="tree_sitter_c_sharp",
        functions=_types("method_declaration constructor_declaration local_function_statement"),
        classes=_types(
            "class_declaration interface_declaration struct_declaration enum_declaration record_declaration"
        ),
        scopes=_types("namespace_declaration"),
        wrappers=_types("global_statement"),
        bodies=_types("declaration_list"),
        always=_types("using_directive"),
    ),
    "go": Grammar(
        package="tree_sitter_go",
        functions=_types("function_declaration method_declaration"),
        classes=_types("type_declaration"),
        context=_types("import_declaration const_declaration var_declaration"),
        always=_types("package_clause"),
    ),
    "rust": Grammar(
        package="tree_sitter_rust",
        functions=_types("function_item macro_definition"),
        classes=_types("struct_item enum_item trait_item impl_item union_item type_item"),
        scopes=_types("mod_item"),
        bodies=_types("declaration_list"),
        context=_types("use_declaration const_item static_item"),
        leads=_types("line_comment block_comment attribute_item"),
    ),
    "ruby": Grammar(
        package="tree_sitter_ruby",
        functions=_types("method singleton_method"),
        classes=_types("class"),
        scopes=_types("module"),
        bodies=_types("body_statement"),
        context=_types("assignment"),
        always=_types("call"),
    ),
    "php": Grammar(
        package="tree_sitter_php",
        factory="language_php",
        functions=_types("function_definition method_declaration"),
        classes=_types("class_declaration interface_declaration trait_declaration enum_declaration"),
        scopes=_types("namespace_definition"),
        bodies=_types("declaration_list compound_statement"),
        context=_types("namespace_use_declaration const_declaration"),
    ),
}
"""By the names that tags use."""


@functools.cache
def parser_of(language: str) -> Parser | None:
    """Return the parser of a language; None where no grammar of it is known or installed."""
    grammar = GRAMMARS.get(language)
    if grammar is None:
        return None
    try:
        from tree_sitter import Language, Parser

        module = importlib.import_module(grammar.package)
    except ModuleNotFoundError:
        return None
    return Parser(Language(getattr(module, grammar.factory)()))
