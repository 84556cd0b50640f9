"""The transform step: copyright headers go, personal data and secrets become typed placeholders."""
