"""The demo data set: drawn clips with known motion."""
