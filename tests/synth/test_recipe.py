"""Recipes and prompts: those that are shipped, and what is said of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from opencoder.errors import DataError, UserError
from synth.recipe.recipe import read_recipe, shipped
from synth.recipe.template import Template
from synth.stages.registry import make_stages

PROMPT = (
    "--- system\nYou are {{who}}.\n--- user\nDo this: {{seed}}{{#failure}}\nNot so: {{failure}}{{/failure}}\n"
)


def test_a_template_shows_fields_once_and_blocks_only_where_there_is_something() -> None:
    template = Template(PROMPT, Path("p.md"))
    assert template.names == {"who", "seed", "failure"}
    assert template.required == {"who", "seed"}
    turns = template.render({"who": "kind", "seed": "{{who}} {x}"})
    assert [(turn.role, turn.content) for turn in turns] == [
        ("system", "You are kind."),
        ("user", "Do this: {{who}} {x}"),
    ]
    assert template.render({"failure": "y"})[1].content.endswith("Not so: y")


@pytest.mark.parametrize(
    ("text", "said"),
    [("{{#a}} x", "no other end"), ("x {{/a}}", "no other end"), ("hello\n--- user\nx", "stands before")],
)
def test_a_broken_template_is_told(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Template(text, Path("p.md"))


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_recipe_is_whole(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.file.name == name
    stages = make_stages(recipe)
    used = {f"{prompt}.md" for prompt in recipe.prompts}
    assert used == {path.name for path in recipe.folder.glob("*.md")}, "a prompt that no stage asks"
    assert len({stage.label for stage in stages}) == len(stages)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  - ask: {prompt: task", "  - aks: {prompt: task", "did you mean `ask`"),
        ("temperature: 1.0, max_tokens", "temprature: 1.0, max_tokens", "did you mean `temperature`"),
        ("prompt: solution", "prompt: answer", "prompt 'answer' is not there"),
        ('set: {instruction: "{{task}}"}', 'set: {instruction: "{{tsk}}"}', "needs field `tsk`"),
        ("easy: 3", "easy: -3", "weights must not be negative"),
        ("version: 1", "version: one", "version"),
        ("kind: code,", "kind: coed,", "kind"),
        ("  - unique: {of: seed}", "  - unique: {of: seeds}", "of"),
        ("temperature: 1.0", "temperature: hot", "temperature"),
    ],
)
def test_a_broken_recipe_is_told_with_its_place(quick: Path, old: str, new: str, said: str) -> None:
    path = quick / "recipe.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=said) as caught:
        make_stages(read_recipe(str(quick)))
    assert str(path) in str(caught.value)


def test_a_row_may_not_go_back_past_a_stage_that_goes_by_order(checked: Path) -> None:
    path = checked / "recipe.yaml"
    path.write_text(path.read_text().replace("retry: {stage: solution}", "retry: {stage: task}"))
    with pytest.raises(DataError, match="unique:instruction stands between"):
        make_stages(read_recipe(str(checked)))
    path.write_text(path.read_text().replace("retry: {stage: task}", "retry: {stage: nothing}"))
    with pytest.raises(DataError, match="no stage 'nothing' before it"):
        make_stages(read_recipe(str(checked)))


def test_what_was_compared_may_not_be_changed(quick: Path) -> None:
    path = quick / "recipe.yaml"
    path.write_text(path.read_text() + "  - set: {instruction: '{{task}}!'}\n")
    with pytest.raises(DataError, match="changes `instruction` after unique:instruction"):
        make_stages(read_recipe(str(quick)))


def test_an_unknown_recipe_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean educational"):
        read_recipe("educationl")
