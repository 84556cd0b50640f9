"""Comments and strings of every language of the table.

Thresholds were set on what the lexers of Pygments call a comment, so for languages that it knows the table
says what its lexers do (release 2.18; found by trying each delimiter): where the line end goes, and that
some, such as that of CSS, put comments with the code (``PLAIN``). For the others it states the language's own
rules; a language that is not here is not split.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from corpus.text.comments_others import OTHERS
from corpus.text.syntax import (
    CHAR,
    PATTERN,
    LineEnd,
    Syntax,
    Token,
    Where,
    block,
    doc,
    heredoc,
    line,
    string,
)  # fmt: skip

_YES = LineEnd.YES
_DOUBLE, _SINGLE = string('"'), string("'")
_DOUBLE_LONG, _SINGLE_LONG = string('"', spans=True), string("'", spans=True)
_SQL_STRING = string("'", escape="", spans=True)
_TRIPLE = (string('"""', spans=True), string("'''", spans=True))
_TEMPLATE, _RAW = string("`", spans=True), string("`", escape="", spans=True)
_C_BLOCK, _C_NESTED = block("/*", "*/"), block("/*", "*/", nests=True)
_SLASHES, _SLASHES_END = line("//"), line("//", _YES)
_HASH, _HASH_END, _HASH_WORD = line("#"), line("#", _YES), line("#", where=Where.AFTER_BLANK)
_HASHBANG = line("#!", where=Where.FIRST_COLUMN)
_DASHES, _DASHES_END = line("--"), line("--", _YES)
_HASKELL = (block("{-", "-}", nests=True), _DASHES, _DOUBLE, CHAR)
_WORD_DOUBLE, _WORD_SINGLE = string('"', where=Where.NEW_WORD), string("'", where=Where.NEW_WORD)

_FAMILIES: tuple[tuple[str, tuple[Token, ...]], ...] = (
    (
        "actionscript; blueprint; chapel; ec; gosu; less; modelica; mql4; mql5; nemerle; pawn; pike; "
        "promela; qml; solidity; supercollider; swig; v; vala; x10; zephir; systemverilog; verilog; scss; "
        "carbon",
        (_SLASHES_END, _C_BLOCK, _DOUBLE, _SINGLE),
    ),
    (
        "c; c-objdump; cpp; cpp-objdump; csharp; cuda; logos; nesc; objective-c; objective-c++; "
        "objective-j; zig",
        (_SLASHES_END, _C_BLOCK, string('R"(', ')"', escape="", spans=True), _DOUBLE, CHAR),
    ),
    (
        "aspectj; ecl; glsl; hlsl; java; kotlin; soong; tact; webidl; whiley; xtend; json; jsonld; "
        "cypher; gleam; hare; miniscript; scilab; typst; f#; mask; sass; portugol; alloy",
        (_SLASHES, _C_BLOCK, *_TRIPLE, _DOUBLE, CHAR),
    ),
    ("dart; groovy; haxe", (_SLASHES, _C_BLOCK, *_TRIPLE, _DOUBLE, _SINGLE)),
    ("go", (_SLASHES, _C_BLOCK, _DOUBLE, CHAR, _RAW)),
    (
        "javascript; javascript+erb; typescript; tsx",
        (_HASHBANG, _SLASHES, _C_BLOCK, _DOUBLE, _SINGLE, _TEMPLATE, PATTERN),
    ),
    (
        "boogie; clean; codeql; lsl; reason; rust; scala; wgsl; dylan",
        (
            _SLASHES_END,
            _C_NESTED,
            string('r#"', '"#', escape="", spans=True),
            _TRIPLE[0],
            _DOUBLE_LONG,
            CHAR,
        ),
    ),
    ("ceylon; koka; minid; mupad; openscad; swift", (_SLASHES, _C_NESTED, _TRIPLE[0], _DOUBLE, CHAR)),
    ("d; d-objdump; io", (_SLASHES, block("/+", "+/", nests=True), _C_BLOCK, _DOUBLE_LONG, CHAR, _RAW)),
    ("ooc; puppet; rexx; sas; thrift; smithy", (_C_BLOCK, _DOUBLE, _SINGLE)),
    ("vcl", (_C_NESTED, _DOUBLE)),
    (
        "boo; wren; yara; stan; hcl; limbo; fancy; nginx; pony",
        (_SLASHES_END, _HASH_END, _C_BLOCK, _DOUBLE, _SINGLE),
    ),
    ("json5; jsonnet; livescript; nix; ampl", (_HASH, _C_BLOCK, _TRIPLE[1], _DOUBLE, _SINGLE)),
    (
        "awk; berry; bitbake; bqn; caddyfile; crystal; gap; hxml; janet; mcfunction; nit; raku; sed; "
        "sieve; vyper; newlisp; coffeescript",
        (_HASH, _DOUBLE, _SINGLE),
    ),
    ("r", (_HASH, _DOUBLE_LONG, _SINGLE_LONG)),
    ("elixir", (_HASH, *_TRIPLE, _DOUBLE, _SINGLE)),
    ("toml", (_HASH, *_TRIPLE, _DOUBLE, string("'", escape=""))),
    ("yaml; salt; praat", (_HASH_WORD, _WORD_DOUBLE, _WORD_SINGLE)),
    (
        "shell",
        (line("#", _YES, Where.AFTER_BLANK), heredoc("<<"), _DOUBLE_LONG, string("'", escape="", spans=True)),
    ),
    (
        "ruby",
        (
            _HASH_WORD,
            block("=begin", "=end", where=Where.FIRST_COLUMN, first=True),
            heredoc("<<~"),
            heredoc("<<-"),
            _DOUBLE_LONG,
            _SINGLE_LONG,
        ),
    ),
    (
        "perl",
        (line("#", _YES, Where.FIRST_COLUMN), block("=", "=cut", where=Where.FIRST_COLUMN, first=True)),
    ),
    (
        "gdscript; mojo; numpy; python; sage; starlark; cython; hy",
        (_HASH, doc('"""'), doc("'''"), *_TRIPLE, _DOUBLE, _SINGLE),
    ),
    (
        "nim",
        (block("##[", "]##", nests=True), block("#[", "]#", nests=True), _HASH, _TRIPLE[0], _DOUBLE, CHAR),
    ),
    ("julia", (block("#=", "=#", nests=True), _HASH, _TRIPLE[0], _DOUBLE, CHAR)),
    ("genshi; html; html+erb; html+php; slash; tea; vue; xml; xslt", (block("<!--", "-->"),)),
    ("agda; elm; haskell; idris; purescript", _HASKELL),
    ("eiffel; futhark; macaulay2; moonscript; ada", (_DASHES, _DOUBLE)),
    ("lua; luau", (block("--[[", "]]"), block("--[=[", "]=]"), _DASHES, _DOUBLE, _SINGLE)),
    ("plpgsql; sql; tsql", (_DASHES_END, _C_NESTED, _SQL_STRING, _DOUBLE)),
    ("vhdl", (_DASHES, _DOUBLE)),
    ("lean", (block("/-", "-/", nests=True), _DASHES, _DOUBLE)),
    ("abnf; clojure; fennel; redcode; autohotkey; jasmin; blitzbasic; csound", (line(";"), _DOUBLE_LONG)),
    ("racket; scheme", (block("#|", "|#", nests=True), line(";"), _DOUBLE_LONG)),
    ("autoit", (block("#cs", "#ce", where=Where.FIRST_ON_LINE), line(";", _YES), _DOUBLE, _SINGLE)),
    (
        "idl; ini",
        (line("#", where=Where.FIRST_ON_LINE), line(";", where=Where.FIRST_ON_LINE)),
    ),
    ("desktop", (line("#", where=Where.FIRST_COLUMN),)),
    ("augeas; ebnf; applescript", (block("(*", "*)", nests=True), _DOUBLE)),
    ("lilypond; prolog", (line("%"), _C_BLOCK, _DOUBLE, _SINGLE)),
    ("powershell", (block("<#", "#>"),)),
    ("apl", (line("⍝"), _SINGLE)),
    (
        "basic; blitzmax; vbscript",
        (line("'"), line("rem", where=Where.FIRST_ON_LINE, any_case=True), _DOUBLE),
    ),
    ("abap", (line("*", _YES, Where.FIRST_COLUMN), line('"', _YES))),
    (
        "stata; xbase",
        (line("*", where=Where.FIRST_ON_LINE), line("//", where=Where.AFTER_BLANK), _C_BLOCK, _DOUBLE),
    ),
    ("pascal", (_SLASHES, block("{", "}"), block("(*", "*)"), _SQL_STRING)),
    ("forth; j", (line("\\", where=Where.AFTER_BLANK),)),
    ("teal", (_SLASHES, _DOUBLE)),
)
# Their lexers have comments of no kind that is told from code.
PLAIN = (
    "antlr; apacheconf; asymptote; bbcode; befunge; bibtex; brainfuck; cirru; cmake; cobol; css; diff; "
    "dockerfile; erlang; factor; fish; fortran; gherkin; golo; graphql; haml; handlebars; http; ioke; "
    "isabelle; jcl; jinja; kusto; liquid; llvm; logtalk; makefile; mako; matlab; meson; monkey; moocode; "
    "myghty; ncl; nsis; objdump; ocaml; odin; opa; pan; pddl; procfile; pug; ragel; rebol; red; "
    "robotframework; scaml; singularity; slim; smali; smalltalk; smarty; sparql; tcl; tcsh; turtle; twig; "
    "ucode; xquery; yang; zeek"
)
_PHP = Syntax(
    (
        string("?>", "<?", escape="", spans=True), string("#[", "]"), _SLASHES_END, _HASH_END, _C_BLOCK,
        heredoc("<<<"), _DOUBLE_LONG, _SINGLE_LONG,
    ),
    inside=True,
)  # fmt: skip


@functools.cache
def _table() -> Mapping[str, Syntax]:
    found = {name: Syntax() for name in PLAIN.split("; ")}
    for names, tokens in (*OTHERS, *_FAMILIES):
        found |= dict.fromkeys((name.strip() for name in names.split(";")), Syntax(tokens))
    return found | {"php": _PHP}


def syntax_of(language: str) -> Syntax | None:
    """Comments and strings of a language, None where they are not known."""
    return _table().get(language)
