"""The places that figures come from."""

from __future__ import annotations

from train.recipe import Origin

CONFIG = Origin(text="config.json of OpenCoder-{1.5B,8B}-Instruct on the Hugging Face hub", kind="primary")
CARD_1_5B = Origin(text="card of OpenCoder-LLM/OpenCoder-1.5B-Base-Checkpoints", kind="primary")
CARD_8B = Origin(text="card of OpenCoder-LLM/OpenCoder-8B-Base-Checkpoints", kind="primary")
SFT_SCRIPT_1 = Origin(text="OpenCoder-llm sft/scripts/stage1_example.sh", kind="primary")
SFT_SCRIPT_2 = Origin(text="OpenCoder-llm sft/scripts/stage2_example.sh", kind="primary")
SFT_TOOL = Origin(text="OpenCoder-llm sft/tools/finetune.py", kind="primary")
SFT_DATA = Origin(text="cards of OpenCoder-LLM/opc-sft-stage1 and -stage2", kind="primary")
HF_DEFAULTS = Origin(
    text="defaults of transformers' Trainer, which the script leaves as they are", kind="primary"
)
PAPER = Origin(text="paper, section 3.2, as summaries report it", kind="secondary")
PAPER_TABLE_3 = Origin(text="paper, Table 3, as summaries report it", kind="secondary")
COMPUTED = Origin(text="computed", kind="computed")
CHOICE = Origin(text="choice", kind="choice")
