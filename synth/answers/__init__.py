"""From a model's text to the parts that were asked for, or a reason why they are not there."""
