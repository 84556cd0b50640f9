"""``opencoder train``: recipes, plans, tokenizers, token shards, runs, exports."""

from __future__ import annotations

from cyclopts import App

app = App(name="train", help="Pretrain, anneal and fine-tune code models.")
# Imported when they are called, so that a missing package breaks only what needs it.
for _name, _target, _help in (
    (
        "recipes",
        "train.recipes.command:recipes",
        "List the recipes, or the figures of one with their sources.",
    ),
    ("plan", "train.plan.command:plan", "Show memory, speed, time and cost of a recipe on GPUs."),
    (
        "launch",
        "train.launch.command:launch",
        "Write Slurm or Kubernetes files that run a recipe on a cluster.",
    ),
    ("tokenizer", "train.bpe.command:tokenizer", "Train a tokenizer on a corpus."),
    ("fertility", "train.bpe.command:fertility", "Compare tokenizers by language."),
    ("tokenize", "train.tokens.command:tokenize", "Turn documents into token shards."),
    ("tokenize-chat", "train.sft.command:tokenize_chat", "Turn dialogues into token shards."),
    ("run", "train.run.command:run", "Train a recipe."),
    ("export", "train.export.command:export_command", "Turn a checkpoint into a Hugging Face folder."),
    ("ablate", "train.ablation.command:ablate", "Run the paper's ablations on a small model."),
):
    app.command(_target, name=_name, help=_help)
