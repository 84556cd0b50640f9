"""What only looks like a header, a secret or a person's data stays."""

from __future__ import annotations

from random import Random

import pytest

from corpus.redact.redact import redact
from tests.support.lookalikes import LOOKALIKES
from tests.support.planted_headers import STYLES, Style

ROUNDS = 25
# These are all over real code, so not one may go.
FREQUENT = set(LOOKALIKES) - {"version", "product"}


@pytest.mark.parametrize("kind", LOOKALIKES)
def test_lookalikes_stay(kind: str) -> None:
    maker, places = LOOKALIKES[kind]
    seed, wrong, total = Random(kind), set[str](), 0
    for _ in range(ROUNDS):
        for language, filename, around in places:
            text = around.format(*[maker(seed)] * 2)
            done = redact(text, language=language, filename=filename)
            assert (done.text == text) == (not done.counts)
            total += 1
            if done.counts:
                wrong.add(f"{filename} {done.counts} {text[:99]}")
    assert len(wrong) <= (0 if kind in FREQUENT else 0.02 * total), wrong


# On top of a program, with nothing to say of a licence.
HEADS = {
    "Python": (
        "#!/usr/bin/env python3\n",
        "# -*- coding: utf-8 -*-\n",
        "# pylint: disable=all\n",
        "# flake8: noqa\n",
    ),
    "Go": ("//go:build linux && amd64\n// +build linux,amd64\n\n", "//go:generate stringer -type=A\n"),
    "JavaScript": (
        "/* eslint-disable no-console */\n",
        "// @ts-check\n",
        "/* global window */\n",
        "'use strict';\n",
    ),
    "C": ("#pragma once\n", "/* clang-format off */\n", "// NOLINTBEGIN\n", "#ifndef A_H\n#define A_H\n\n"),
    "Shell": ("#!/bin/bash\n", "# shellcheck disable=SC2086\n"),
    "Ruby": ("# frozen_string_literal: true\n", "# typed: strict\n"),
    "HTML": ("<!DOCTYPE html>\n",),
    "XML": ('<?xml version="1.0" encoding="UTF-8"?>\n',),
    "Lua": ("--!strict\n",),
    "Vim Script": ('" vim: set ft=vim:\n',),
}
ABOUT = (
    "Reads a table and writes another one.",
    "Usage: run it with the name of a file.",
    "This module checks the licence keys of customers.",
    "Parses copyright lines out of source files.",
    "The permission bits of a file, and how to set them.",
    "TODO: write the docs.",
)
NOTICE = "Copyright (c) 2011 Acme Inc. All rights reserved."


@pytest.mark.parametrize(
    "style", STYLES, ids=lambda style: f"{style.language} {style.opener or style.marker}"
)
def test_leading_comments_stay(style: Style) -> None:
    for about in ABOUT:
        for head in ("", *HEADS.get(style.language, ())):
            text = head + style.comment([about]) + style.body
            assert redact(text, language=style.language, filename=style.filename).text == text
            # Nor does a licence take them with it.
            with_licence = head + style.comment([NOTICE]) + "\n" + style.body
            done = redact(with_licence, language=style.language, filename=style.filename)
            assert done.text.startswith(head)
            assert done.text.endswith(style.body)
            assert NOTICE not in done.text


@pytest.mark.parametrize("comment", ["# {}", '"""{}"""', "x = '{}'"])
def test_a_licence_below_the_head_stays(comment: str) -> None:
    text = f'"""A module."""\n\nimport os\n\n{comment.format(NOTICE)}\nx = os.sep\n'
    assert redact(text, language="Python", filename="a.py").text == text


def test_a_docstring_with_a_description_stays() -> None:
    text = f'"""Adds numbers.\n\n{NOTICE}\n"""\n\nx = 1\n'
    assert redact(text, language="Python", filename="a.py").text == text
