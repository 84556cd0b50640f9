"""What a build did, for people: page, plots, dataset card."""
