"""Byte-level BPE tokenizers: sampled from a corpus, trained, written as Hugging Face folders, measured."""
