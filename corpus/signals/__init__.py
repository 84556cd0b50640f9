"""Quality signals of a file: numbers that filter rules compare with thresholds."""
