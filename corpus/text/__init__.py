"""Building blocks of the signals: lines, words, and the parts of a program text."""
