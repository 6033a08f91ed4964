"""Run folders -> text. Reads their files and nothing else; needs no torch."""
