"""Comments and strings of languages that Pygments does not know by their name in the table.

The end of its line goes with a comment that stands alone there, so that each stays a line of its own.
"""

from __future__ import annotations

from corpus.text.syntax import CHAR, PATTERN, LineEnd, Token, Where, block, doc, line, string

_ALONE = LineEnd.IF_ALONE
_FIRST = Where.FIRST_ON_LINE
_DOUBLE, _SINGLE = string('"'), string("'")
_TRIPLE = (string('"""', spans=True), string("'''", spans=True))
_TEMPLATE = string("`", spans=True)
_SQL_STRING = string("'", escape="", spans=True)
_SLASHES, _HASH, _DASHES = line("//", _ALONE), line("#", _ALONE), line("--", _ALONE)
_HASH_WORD, _HASH_FIRST = line("#", _ALONE, Where.AFTER_BLANK), line("#", _ALONE, _FIRST)
_SEMICOLON, _PERCENT = line(";", _ALONE), line("%", _ALONE)
_C_BLOCK, _XML_BLOCK = block("/*", "*/"), block("<!--", "-->")
_REM = line("rem", _ALONE, _FIRST, any_case=True)

OTHERS: tuple[tuple[str, tuple[Token, ...]], ...] = (
    # // and /* */, strings in double quotes, characters in single ones
    (
        "aidl; al; angelscript; apex; ats; avro idl; ballerina; beef; bison; c3; cadence; cangjie; "
        "cap cds; chuck; circom; click; closure templates; cloud firestore security rules; dataweave; dm; "
        "dtrace; eclipse; fantom; filterscript; flix; game maker language; gdshader; gn; gsc; holyc; "
        "imagej macro; ink; ispc; jai; java server pages; jflex; jolie; kit; kolmafia ash; langium; lex; "
        "linker script; metal; monkey c; moonbit; move; netlinx; noir; nwscript; opencl; openqasm; "
        "oxygene; p4; pkl; processing; protocol buffer; q#; quake; quakec; quint; redscript; "
        "renderscript; rez; ring; ron; rpc; sail; selinux policy; shaderlab; slang; slice; slint; "
        "sourcepawn; spicedb schema; sqf; squirrel; stringtemplate; sway; templ; tolk; turing; typespec; "
        "uno; unified parallel c; unrealscript; verse; webassembly interface type; wollok; xc; xojo; xs; "
        "yacc; yul; zenscript; zmodel; gradle; gradle kotlin dsl; c2hs haskell; jac; bluespec; "
        "option list; volt; witcher script; aiken; cairo; cairo zero; cycript; daslang; "
        "edje data collection; faust; firrtl; flatbuffers; gaml; gcc machine description; godot resource; "
        "graphviz (dot); igor pro; imhex pattern language; jison; jison lex; lolcode; motoko; "
        "object data instance notation; omnet++ msg; omnet++ ned; overpassql; pact; qt script; rascal; "
        "rascript; reasonligo; rescript; sugarss; toit; tl-verilog; txl; json with comments; oasv3-json; "
        "lobster; mint; nextflow; nmodl; pro*c; power query; kdl; aleo; asl; b; cool; dafny; harbour; "
        "jass; 1c enterprise; 4d; coldfusion cfc; eq; jsoniq; kerboscript; smpl; valve data format; "
        "x bitmap; grace; openedge abl; riot; gno; go template; go workspace; go module; postcss; stylus; "
        "cartocss; xmake; pogoscript; ox; bird2",
        (_SLASHES, _C_BLOCK, _TRIPLE[0], _DOUBLE, CHAR),
    ),
    (
        "astro; ejs; glimmer js; glimmer ts; imba; marko; svelte; peg.js; dogescript; nearley; ecmarkup; "
        "hack",
        (_XML_BLOCK, _SLASHES, _C_BLOCK, _DOUBLE, _SINGLE, _TEMPLATE, PATTERN),
    ),
    # #
    (
        "alpine abuild; bru; buildstream; cap'n proto; common workflow language; crontab; cue; "
        "curl config; cylc; debian package control file; dircolors; dotenv; easybuild; editorconfig; "
        "elvish; gentoo ebuild; gentoo eclass; git config; haproxy; hosts file; hocon; just; kcl; "
        "kickstart; miniyaml; nanorc; ninja; nu; nushell; oasv2-yaml; oasv3-yaml; openrc runscript; "
        "openapi specification v2; openapi specification v3; pip requirements; pkg-config; prisma; "
        "proguard; qmake; raml; readline config; rpm spec; shellcheck config; ssh config; tor config; "
        "wget config; earthly; gdb; jq; lark; npm config; runoff; kaitai struct; xcompose; hurl; mermaid; "
        "polar; rbs; mirah; opal; open policy agent; graph modeling language; tsplib data; algol; cson; "
        "d2; denizenscript; fluent; gtkrc; kvlang; krl; nasal; neon; roc; routeros script; clue; nickel; "
        "dhall; genie; wdl; liquidsoap; terraform template; vento; protocol buffer text format",
        (_HASH_WORD, *_TRIPLE, _DOUBLE, _SINGLE),
    ),
    (
        "codeowners; git attributes; ignore list; browserslist; redirect rules; record jar; "
        "robots exclusion rules; textmate properties; java properties; jar manifest; yasnippet; "
        "type language",
        (_HASH_FIRST,),
    ),
    (
        "elvish transcript; snakemake; ren'py; xonsh; talon; scenic; pyret",
        (_HASH, doc('"""'), *_TRIPLE, _DOUBLE, _SINGLE),
    ),
    ("kakounescript; emberscript; literate coffeescript; ecere projects", (_HASH_WORD, _DOUBLE, _SINGLE)),
    # ;
    (
        "common lisp; emacs lisp; wisp; picolisp; lfe; clips; zil; dune; tree-sitter query; metta; "
        "kicad schematic; hyphy; smt; netlogo; arc; muf; mirc script; zap; pep8",
        (block("#|", "|#", nests=True), _SEMICOLON, string('"', spans=True)),
    ),
    (
        "assembly; motorola 68k assembly; mlir; nasl; csound document; win32 message file; "
        "windows registry entries; inno setup; parrot assembly; rouge; world of warcraft addon data; edn; "
        "clarity; untyped plutus core; apollo guidance computer; adblock filter list; survex data; "
        "module management system; dns zone",
        (line("//", _ALONE), _C_BLOCK, _SEMICOLON, _DOUBLE),
    ),
    ("unix assembly; il assembly", (_SLASHES, _C_BLOCK, _HASH_FIRST, _DOUBLE)),
    ("webassembly", (block("(;", ";)", nests=True), line(";;", _ALONE), _DOUBLE)),
    ("cabal config", (line("--", _ALONE, _FIRST),)),
    # --
    (
        "curry; frege; bluespec bh; hiveql; sqlpl; plsql; surrealql; edgeql; flux; euphoria; leo; asn.1; "
        "powerbuilder; grammatical framework; rpgle; lookml; cql; urweb; tmdl; livecode script",
        (block("{-", "-}", nests=True), _C_BLOCK, _DASHES, _SQL_STRING, _DOUBLE),
    ),
    ("terra; abap cds", (block("--[[", "]]"), _DASHES, _DOUBLE, _SINGLE)),
    ("maxscript; genero 4gl; genero per", (_DASHES, _C_BLOCK, _DOUBLE)),
    # %
    ("mercury; answer set programming; minizinc; minizinc data; oz", (_PERCENT, _C_BLOCK, _DOUBLE)),
    ("bibtex style; m", (_PERCENT, _DOUBLE)),
    # (* *)
    (
        "standard ml; f*; rocq prover; cameligo; modula-2; modula-3; oberon; component pascal; "
        "wolfram language; tla; ligolang; isabelle root; b (formal method)",
        (block("(*", "*)", nests=True), line("//", _ALONE), _DOUBLE),
    ),
    # BASIC and its kin
    (
        "visual basic .net; visual basic 6.0; vba; freebasic; quickbasic; realbasic; brightscript; "
        "brighterscript; plantuml; propeller spin; classic asp; b4x; papyrus",
        (line("'", _ALONE), _REM, _DOUBLE),
    ),
    (
        "batchfile",
        (line("::", _ALONE, _FIRST), _REM, line("@rem", _ALONE, _FIRST, any_case=True)),
    ),
    (
        "digital command language",
        (line("$!", _ALONE, Where.FIRST_COLUMN), line("!", _ALONE, Where.AFTER_BLANK), _DOUBLE),
    ),
    ("vim script; vim snippet", (line('"', _ALONE, _FIRST), _HASH_FIRST)),
    ("fortran free form", (line("!", _ALONE), _DOUBLE, _SINGLE)),
    ("m4; m4sugar", (line("dnl", _ALONE, Where.NEW_WORD), _HASH_FIRST)),
    ("velocity template language", (line("##", _ALONE), block("#*", "*#"))),
    # Markup
    (
        "maven pom; ant build system; xml property list; xproc; web ontology language; eagle; labview; "
        "mtml; xpages; collada; jetbrains mps; altium designer; asp.net; coldfusion; html+ecr; html+eex; "
        "html+razor; edge; bikeshed; nunjucks; mustache; groovy server pages; java template engine; "
        "freemarker; mdsvex; latte",
        (
            _XML_BLOCK,
            block("<%--", "--%>"),
            block("<#--", "-->"),
            block("{#", "#}"),
            block("{{!--", "--}}"),
            block("@*", "*@"),
        ),
    ),
    ("openstep property list", (_SLASHES, _C_BLOCK, _DOUBLE)),
    ("literate haskell", ()),
)
