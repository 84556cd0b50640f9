"""Fine-tuning data: dialogues in the chat template, tokenised with their loss masks, packed or padded."""
