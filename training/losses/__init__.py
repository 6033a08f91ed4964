"""Losses between student and teacher, term by term, and of MotionNet."""
