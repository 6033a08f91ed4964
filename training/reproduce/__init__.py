"""All rows of a paper's tables on one store: planned, trained, compared, written down."""
