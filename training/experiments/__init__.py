"""Experiments: teach, distill, joint, hidden, motion, fuse, collaborate, evaluate."""
