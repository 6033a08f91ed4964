import pytest

from training.engine.processes import Processes
from training.errors import MachineError
from training.runs.machine import gpu_of


@pytest.mark.parametrize(
    ("local_rank", "gpus", "expected"),
    [(0, 1, 0), (3, 1, 0), (0, 8, 0), (7, 8, 7), (1, 2, 1)],
)
def test_a_process_takes_its_gpu_among_those_that_it_sees(local_rank, gpus, expected):
    assert gpu_of(Processes(local_rank, 8, local_rank), gpus) == expected


def test_fewer_gpus_than_processes_are_an_error():
    with pytest.raises(
        MachineError, match="process 5 of 8: expected a GPU for each .* got 2 for .* 3"
    ):
        gpu_of(Processes(5, 8, 2), 2)
