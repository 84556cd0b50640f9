"""Pretraining, annealing and fine-tuning of the OpenCoder models on torchtitan, and what surrounds it.

Data flows one way: corpus or instruction data -> token shards (``tokens``) -> sequences (``stream``, ``sft``)
-> batches (``loader``) -> torchtitan (``titan``, the only package that imports it) -> checkpoint ->
Hugging Face folder (``export``). A recipe (``recipes``) says what is trained; a ``spec.RunSpec`` is a recipe
made ready for one machine or cluster, and the only thing that the training processes read.
"""

__distribution__ = "opencoder"
