"""Grey frame pairs -> TV-L1 optical flow."""

from .errors import FlowError
from .profiles import PROFILES, Profile
from .protocol import FlowSolver
from .solver import BACKENDS, flow_solver, gpu_solver

__all__ = [
    "BACKENDS",
    "PROFILES",
    "FlowError",
    "FlowSolver",
    "Profile",
    "flow_solver",
    "gpu_solver",
]
