"""From a text to seed units: whole functions, classes and sections that a model is shown."""
