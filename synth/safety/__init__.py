"""What must not be in a row, or must be known of it: personal data, refusals, harm."""
