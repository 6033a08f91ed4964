"""What can go wrong with a flow solver.

FlowError                also a ValueError
"""


class FlowError(ValueError):
    """No such back end or profile, or frames of another type or shape than asked for."""
