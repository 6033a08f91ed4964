"""One command for the first hours with a GPU: answers, speed, errors and training.

    pipeline bench gpu --json gpu.json

Every stage runs in a process of its own with a time limit (`runner`), and reports rows
(`rows`) as it finds them; `verdicts` holds them against the goals, `report` prints them.
"""
