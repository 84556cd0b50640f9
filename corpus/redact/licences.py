"""Which words of a comment speak of copyright and licence."""

from __future__ import annotations

import re

# Any of these must be in a text for a header to be looked for.
HINTS = (
    "copyright",
    "licen",
    "©",
    "(c)",
    "rights reserved",
    "warrant",
    "public domain",
    "copyleft",
    "permission",
)

WORDS = (
    *HINTS, "&copy;", "distribut", "software", "applicable law", "you may", "no event", "you should", "terms",
    "proprietary",
    "neither the name", "copying",
)  # fmt: skip
"""One of these is in everything that ``LICENCE`` finds; looking for them is much faster."""

_YEAR = r"(?:19|20)\d\d"
_NOTICE = rf"""
    (?<![\w"'`.\[(/])copyright\s{{0,8}}(?:notice)?[:,]?\s{{0,8}}(?:\(c\)|©|&copy;|{_YEAR}|by\s+(?-i:[A-Z]))
  | (?:\(c\)|©|&copy;)\s*(?:copyright\b|{_YEAR})
  | ^copyright(?:[ ]\(c\))?[:,]?[ ]{{1,8}}(?:the[ ])?(?-i:[A-Z])[\w.&,'-]{{0,40}}
        (?:[ ](?:(?-i:[A-Z])[\w.&,'-]{{0,40}}|and|the|of)){{0,12}}$
  | ^copyright[:,]?\s+(?-i:[A-Z])[^\n]{{0,70}}?\b{_YEAR}\b | ^copyright\s?:\s*\w
  | ^copyright\s+(?-i:[A-Z])[^\n]{{0,60}}?(?:\b(?:contributors|authors|inc|corp|ltd|llc|gmbh|foundation)\b|@\w|https?://)
  | ^\(c\)\s*(?-i:[A-Z])[^\n]{{0,40}}?\b{_YEAR}\b
  | \ball\s+rights\s+reserved
  | spdx-(?:license-identifier|filecopyrighttext|filecontributor|snippet\w*)\s*:
  | ^[@:\\]copyright\b | ^[@:\\]licen[sc]e\b
"""
_PROSE = r"""
    \blicen[sc]ed\s+(?:under|to\s+(?:the|\w+\s+under)|with|by|as)\b
  | \bsub-?licen[sc]e\b | \blicen[sc]ed\s+material
  | \b(?:released|distributed|available|governed|covered|provided|published|redistributed?|used|modify\s+it)
      \s+
      (?:\w+\s+){0,6}?(?:under|by|with|in)\s+(?:[\w().-]+[\s,]+){0,8}?(?:licen[sc]e|public\s+domain|copying|copyleft)\b
  | \bpermission\s+(?:is\s+hereby\s+granted|to\s+use,?\s+copy)
  | \b(?:re)?distributions?\s+(?:and\s+use\s+)?(?:in|of)\s+(?:source|binary)
  | \bis\s+(?:free|proprietary)\s+software\b
  | \bgnu\s+(?:lesser\s+|affero\s+|library\s+|free\s+)?(?:general\s+public|documentation)\s+licen[sc]e
  | \bdistributed\s+in\s+the\s+hope\b | \bthis\s+software\s+is\s+not\s+subject\s+to
  | \bwithout\s+(?:even\s+the\s+implied\s+)?(?:any\s+)?warrant(?:y|ies)
  | \bunless\s+required\s+by\s+applicable\s+law | \byou\s+may\s+(?:not\s+use\s+this|obtain\s+a\s+copy)
  | \bsoftware\s+is\s+provided\s+(?:\w+\s+){0,8}["'`“]*as\b | \bprovided\s+["'`“]+as[\s-]is
  | \bin\s+no\s+event\s+shall\b
   | \bsee\s+(?:the\s+)?(?:accompanying\s+)?(?:file\s+)?["'`]?(?:\w+/)*(?:licen[sc]e|copying)\b
  | \byou\s+should\s+have\s+received\s+a\s+copy | \bsubject\s+to\s+the\s+terms
  | \bproprietary\s+and\s+confidential | \bdo\s+not\s+alter\s+or\s+remove\s+copyright
  | \b(?:released|placed|dedicated|is)\s+(?:\w+\s+){0,4}?(?:in|into|to)\s+the\s+public\s+domain
  | \bneither\s+the\s+names?\s+of
   | \babove\s+copyright\s+notice | \bcopyright\s+(?:notice|owner|holder)s?\s+and\b
  | ^licen[sc]es?\s*(?:(?:&|and)\s+terms\s+of\s+use\s*)?:\s*\w | ^(?:mit|bsd|apache|gpl)\s+licensed\b
  | \bunder\s+(?:the\s+|an?\s+)?(?:\w+\s+)?
       (?:apache|mit|bsd|mpl|l?gpl|agpl|boost|mozilla|isc|zlib|eclipse|artistic|cc0)\b
      [\w\s.,-]{0,24}?licen[sc]e
  | \bexcept\s+as\s+contained\s+in\s+this\s+notice | \bnotice\s+may\s+not\s+be\s+(?:removed|altered)
  | \blicen[sc]ing\s+(?:details|terms|information) | \bsee\s+\S*/licen[sc]e\S*
  | \bhttps?://(?:www\.)?(?:apache|gnu|opensource|mozilla|fsf|creativecommons|boost|unlicense)\.org/\S*licen[sc]e\S*
  | \bpermissions?\s+and\s+limitations | \bcontributor\s+licen[sc]e\s+agreement
  | \bcopying\s+and\s+distribution\s+of\s+this | \bno\s+warrant(?:y|ies)
"""
NOTICE = re.compile(_NOTICE, re.VERBOSE | re.IGNORECASE)
LICENCE = re.compile(f"{_NOTICE}|{_PROSE}", re.VERBOSE | re.IGNORECASE | re.MULTILINE)
"""What makes lines of a comment a licence by itself; words may be parted by line ends."""

WEAK_WORDS = (
    "is part of",
    "is a part of",
    "http",
    "portions",
    "hereby",
    "merchantab",
    "liab",
    "infring",
    "disclaim",
    "damages",
    "franklin",
    "gpl",
)
WEAK = re.compile(
    r"^(?:this\s+(?:file|program|code|software|library|source|module|script|work|notice|project)\s+is\s+(?:a\s+)?part\s+of\b"
    r"|https?://\S+$|<https?://\S+>$|portions\b"
    r"|[\w.() -]{0,40}licen[sc]e(?:\s+agreement|,?\s+version\s+[\d.]+)?:?$"
    r"|copyright:?$|\W*(?:begin|end)?\b[\w ]{0,20}licen[sc]e\b[\w ]{0,10}(?:block|begin|end)"
    r"|.*\b(?:hereby|warrant|merchantab|liable|liabilit|licensor|licensee|notwithstanding|infring|sublicens|redistribut"
    r"|disclaim|damages|free\s+software\s+foundation|franklin\s+st|gpl|written\s+permission|runtime\s+library\s+exception"
    r"|licen[sc]e\s+(?:agreement|version|terms)|(?:under|terms|see|of)\s+(?:\w+\s+){0,3}licen[sc]e)\w*)",
    re.IGNORECASE | re.DOTALL,
)
"""What belongs to a licence where one stands in the same comment."""

KEEP = re.compile(
    r"-\*-|coding[:=]|\bvim?:|\bex:|^!|^go:|^\+build|shellcheck|eslint|\bts-(?:check|nocheck|ignore)|@flow|@jsx|<reference"
    r"|\bnoqa|pylint|mypy:|type:\s*ignore|jshint|jslint|\bglobals?\s|rubocop|frozen_string_literal|^typed:|clang-format"
    r"|nolint|istanbul|pragma|do not edit|@generated|prettier|stylelint|^#?syntax=|isort|flake8|encoding:"
    r"|local variables",
    re.IGNORECASE,
)
"""Lines that tools read."""
