"""What a licence allows a data set to be made from, under the policy of a mixture.

The allow-list holds permissive licences alone: a model's answer may repeat its seed, and what a copyleft
licence asks of a copy is not something that a row of training data can do. This is a filter, no legal advice.
"""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from opencoder.spdx import spelled

Policy = Literal["commercial", "research"]
Verdict = Literal["allowed", "warned", "blocked"]


class Ruling(NamedTuple):
    """What a policy says of a licence.

    Attributes:
        verdict: ``warned`` rows stay, and are counted with the reason.
        reason: In words; empty where the verdict is ``allowed``.
    """

    verdict: Verdict
    reason: str = ""


# Code: no more is asked than to keep a notice.
_CODE = (
    "0BSD AFL-3.0 Apache-1.1 Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause "
    "BSD-2-Clause-Patent BSD-3-Clause BSD-3-Clause-Clear BSD-4-Clause BSL-1.0 ECL-2.0 HPND ISC MIT MIT-0 "
    "MulanPSL-2.0 NCSA PostgreSQL PSF-2.0 Python-2.0 Unlicense UPL-1.0 W3C WTFPL X11 Zlib"
)
# Data and text: no more is asked than to name the source.
_DATA = "CC0-1.0 CDLA-Permissive-1.0 CDLA-Permissive-2.0 ODC-By-1.0 PDDL-1.0"
_PERMISSIVE = {name.lower(): name for name in f"{_CODE} {_DATA}".split()}
_SPELLINGS = {
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "boost": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "bsd": "BSD-3-Clause",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "bsd3": "BSD-3-Clause",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "modified-bsd": "BSD-3-Clause",
    "new-bsd": "BSD-3-Clause",
    "odc-by": "ODC-By-1.0",
    "odcby": "ODC-By-1.0",
    "odc-odbl": "ODbL-1.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "python-foundation": "PSF-2.0",
    "public-domain": "CC0-1.0",
    "simplified-bsd": "BSD-2-Clause",
    "zlib-libpng": "Zlib",
}
_NOISE = frozenset({"the", "license", "licence", "licensed", "version", "software", "v"})
_UNKNOWN = frozenset({"", "unknown", "none", "no", "other", "noassertion", "null", "n-a", "custom"})
_CREATIVE = re.compile(r"(?:cc|creative-commons)-by((?:-(?:nc|nd|sa))*)(?:-(\d(?:\.\d)?))?(?:-[a-z]+)?")
_CREATIVE_URL = re.compile(r"creativecommons\.org/licenses/(by[a-z-]*)/(\d\.\d)")
_COPYLEFT = re.compile(r"a?gpl|lgpl|mpl|epl|eupl|cddl|cecill|osl|ms-rl|sspl")
_SHARE_ALIKE = re.compile(r"odbl|cdla-sharing")
_TERMS = re.compile(r"openrail|open-rail|llama\d|gemma")


@functools.lru_cache(maxsize=4096)
def policy(license: str, policy: Policy) -> Ruling:  # noqa: A002 - the words of the configuration
    """Judge a licence.

    Args:
        license: SPDX identifier or expression, a data card's name (``cc-by-nc-4.0``) or a common spelling
            (``Apache License 2.0``). Of ``A OR B`` the milder counts, of ``A AND B`` the stricter.
        policy: ``commercial`` takes no non-commercial, no-derivatives, copyleft or unknown licence;
            ``research`` takes those with a warning.
    """
    order = ("allowed", "warned", "blocked")
    alternatives = [
        max(
            (_judge(part, policy) for part in _parts(one, "and")),
            key=lambda ruling: order.index(ruling.verdict),
        )
        for one in _parts(license, "or")
    ]
    return min(alternatives, key=lambda ruling: order.index(ruling.verdict))


def license_name(license: str) -> str:  # noqa: A002 - what it is
    """Return the SPDX identifier of a common spelling, ``unknown`` for none, else the text as it is."""
    key = _key(license)
    if key in _UNKNOWN:
        return "unknown"
    if found := _CREATIVE.fullmatch(key):
        return f"CC-BY{found[1].upper()}-{found[2] or '4.0'}"
    return _PERMISSIVE.get(key) or _SPELLINGS.get(key) or spelled(license)


def _judge(name: str, policy: Policy) -> Ruling:
    official = license_name(name)
    key = official.lower()
    if key in _PERMISSIVE:
        return Ruling("allowed")
    if official == "unknown":
        return _unless_research(policy, "its licence is not known")
    if found := _CREATIVE.fullmatch(key):
        return _creative(found[1].split("-"), official, policy)
    if _COPYLEFT.match(key):
        return _unless_research(policy, f"{official} is copyleft")
    if _SHARE_ALIKE.match(key):
        return Ruling("warned", f"{official} asks to share alike")
    if _TERMS.search(key):
        return Ruling("warned", f"{official} has terms of use that must be read")
    return _unless_research(policy, f"{official} is not on the list of permissive licences")


def _creative(marks: list[str], official: str, policy: Policy) -> Ruling:
    if "nc" in marks:
        return _unless_research(policy, f"{official} is non-commercial")
    if "nd" in marks:
        return _unless_research(policy, f"{official} allows no derivatives")
    return Ruling("warned", f"{official} asks to share alike") if "sa" in marks else Ruling("allowed")


def _unless_research(policy: Policy, reason: str) -> Ruling:
    return Ruling("blocked" if policy == "commercial" else "warned", reason)


def _parts(expression: str, operator: str) -> list[str]:
    """Split an SPDX expression; brackets are taken as what binds least (a stricter reading for AND)."""
    if operator == "or" and re.search(r"\(.*\bor\b.*\)", expression, re.IGNORECASE) and _has_and(expression):
        return [expression]  # `A AND (B OR C)`: judged as if all held
    text = expression.replace("(", " ").replace(")", " ") if _is_expression(expression) else expression
    words = r"\s+(?:and|or)\s+" if operator == "and" else r"\s+or\s+"
    parts = re.split(words, text.strip(), flags=re.IGNORECASE) if _is_expression(expression) else [text]
    return [re.split(r"\s+with\s+", part.strip(), flags=re.IGNORECASE)[0] for part in parts]


def _is_expression(text: str) -> bool:
    return re.search(r"\s(?:AND|OR|WITH|and|or)\s", text) is not None


def _has_and(text: str) -> bool:
    return re.search(r"\band\b", text, re.IGNORECASE) is not None


def _key(license: str) -> str:  # noqa: A002 - what it is
    low = license.strip().lower()
    if found := _CREATIVE_URL.search(low):
        return f"cc-{found[1]}-{found[2]}"
    low = low.replace("attribution", "by").replace("noncommercial", "nc").replace("non-commercial", "nc")
    low = low.replace("sharealike", "sa").replace("share-alike", "sa").replace("noderivatives", "nd")
    words = re.split(r"[\s_,/()-]+", re.sub(r"\bv(?=\d)", "", low))
    return "-".join(word for word in words if word and word not in _NOISE)


_HUB = frozenset(
    "afl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 cc-by-2.0 "
    "cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla- "
    "permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 gemma gpl-2.0 gpl-3.0 "
    "agpl-3.0 isc lgpl-2.1 lgpl-3.0 llama2 llama3 llama3.1 mit mpl-2.0 ms-pl ncsa odbl odc-by openrail "
    "osl-3.0 pddl postgresql unknown unlicense wtfpl zlib".split()
)


def hub_name(license: str) -> str:  # noqa: A002 - what it is
    """Return the name of a licence in the front matter of a card of the Hugging Face hub; else ``other``."""
    low = license_name(license).lower().removesuffix("-only").removesuffix("-or-later")
    low = {"odbl-1.0": "odbl", "odc-by-1.0": "odc-by", "pddl-1.0": "pddl"}.get(low, low)
    return low if low in _HUB else "other"
