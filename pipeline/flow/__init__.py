"""Grey frame pairs -> TV-L1 optical flow."""

from .errors import FlowError
from .profiles import PROFILES, Profile
from .solver import BACKENDS, FlowSolver, flow_solver

__all__ = ["BACKENDS", "PROFILES", "FlowError", "FlowSolver", "Profile", "flow_solver"]
