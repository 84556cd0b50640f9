"""What a run needs and how long it takes, before anything runs."""
