"""From a checkpoint to a complete Hugging Face folder, and from such a folder to a starting point."""
