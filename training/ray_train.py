"""The same job in the workers of a Ray cluster: Ray Train starts the processes.

    training ray-train --num-workers 4 -- teach --store /lab/stores/ucf101

Needs `pip install 'ray[train]'`. Store and runs must lie on a folder that all machines
see. Nothing but the start differs from torchrun: ranks come from the environment, the
run's folder holds the results, and the same command goes on with a run that was stopped.
"""

import logging
import tempfile
from collections.abc import Callable
from typing import Any

from .errors import MachineError, RunError


def run(
    job: Callable[[], object],
    *,
    workers: int,
    gpus: bool = False,
    cpus_per_worker: int = 1,
    address: str = "auto",
) -> None:
    """Run a job as one training of several processes; wait, and show what they say.

    Args:
        job: what every process does; it finds its rank with `from_environment`.
        gpus: one for every worker; without, gradients travel by gloo.
        address: of a Ray cluster; "auto" is the one that runs, and "local" starts one
            of this machine. A Ray that is connected already is used as it is.

    Raises:
        MachineError: Ray Train is not installed, or no cluster is at the address.
        RunError: a worker failed; its last line is in the message.
    """
    try:
        import ray
        from ray.train import RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError as error:
        raise MachineError(
            f"expected Ray Train, but {error}: pip install 'ray[train]'"
        ) from None
    if not ray.is_initialized():
        try:
            ray.init(address, logging_level=logging.WARNING)
        except (ConnectionError, ValueError) as error:
            raise MachineError(
                f"expected a Ray cluster at {address}, got: {error}"
            ) from None
    with tempfile.TemporaryDirectory(prefix="ray-train-") as folder:
        trainer = TorchTrainer(
            _work,
            train_loop_config={"job": job},
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=gpus,
                resources_per_worker={"CPU": cpus_per_worker}
                | ({"GPU": 1} if gpus else {}),
            ),
            torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
            run_config=RunConfig(storage_path=folder, name="training"),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise RunError(f"{workers} workers of Ray Train: {_told(error)}") from error


def _told(error: Exception) -> str:
    """The last line of what the first of the failed workers said."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    return str(failures[min(failures)]).strip().splitlines()[-1]


def _work(settings: dict[str, Any]) -> None:
    """In a worker: Ray Train has set RANK and the others, and joined the processes."""
    settings["job"]()
