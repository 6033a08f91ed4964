"""Facts, orderings and measured results of the papers' systems."""
