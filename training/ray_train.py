"""The same job in the workers of a Ray cluster: Ray Train starts the processes.

    training ray-train --num-workers 4 -- teach --store /lab/stores/ucf101

Needs `pip install 'motion-shards[ray-train]'`. Store and runs must lie on a folder that all machines
see. Nothing but the start differs from torchrun: ranks come from the environment, the
run's folder holds the results, and the same command resumes a run that was stopped.
"""

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from motion_shards import remote
from motion_shards.address import ClusterAddress, ClusterSearch, find_cluster, require
from motion_shards.errors import ClusterError
from motion_shards.extras import RAY_TRAIN, TRAINING
from motion_shards.joining import joined
from motion_shards.plain_text import printable
from motion_shards.variables import of_this_job

from .errors import Interrupted, MachineError, RunError
from .reproduce.workers import GRACE_SECONDS, KILLED, Done, Work, outcome

if TYPE_CHECKING:
    from .reproduce.plan import Stage


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
        job: what every process does; it finds its rank with `from_environment`, which
            Ray Train has set as torchrun does.
        gpus: one for every worker; without, gradients travel by gloo.
        address: of a Ray cluster; "auto" is the one that runs, and "local" starts one
            of this machine. A Ray connection that exists already is used.

    Raises:
        MachineError: Ray Train is not installed, or no cluster is at the address.
        RunError: a worker failed; its last line is in the message.
    """
    _require_installed()
    with _cluster(address):
        _train(job, workers=workers, gpus=gpus, cpus_per_worker=cpus_per_worker)


def in_tasks(
    stages: "Sequence[Stage]", work: Work, *, gpus: bool, address: str = "auto"
) -> Iterator[Done]:
    """Run stages as tasks of a Ray cluster, as many at a time as it has room for.

    Store and runs must lie on a folder that all machines see. A task that is killed takes
    its own stage with it and no other.

    Args:
        gpus: one for every stage, where the cluster has some.
        address: as of `run`.

    Raises:
        MachineError: no cluster is at the address.
        Interrupted: a signal came; the tasks were asked to save and stop.
    """
    with _cluster(address):
        import ray
        from ray import cloudpickle

        there = gpus and ray.cluster_resources().get("GPU", 0) > 0
        task = ray.remote(num_cpus=1, num_gpus=int(there), max_retries=0)(remote.run)
        running = {
            task.remote(
                of_this_job(), cloudpickle.dumps((outcome, (work, stage, {})))
            ): stage
            for stage in stages
        }
        try:
            while running:
                (ref,), _ = ray.wait(list(running), num_returns=1)
                stage = running.pop(ref)
                try:
                    yield ray.get(ref)
                except ray.exceptions.RayError as error:
                    yield Done(stage, error=f"{KILLED}: {_told(error)}")
        except (KeyboardInterrupt, GeneratorExit) as error:  # here, or where it is used
            for ref in running:
                ray.cancel(ref)  # as SIGINT, at which a training saves
            ray.wait(list(running), num_returns=len(running), timeout=GRACE_SECONDS)
            if isinstance(error, GeneratorExit):
                raise
            raise Interrupted("stopped; run the same command to resume") from None


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Inside, this process is connected to a Ray cluster.

    Raises:
        MachineError: no cluster is at the address.
    """
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        yield
        return
    cluster = (
        ClusterSearch(ClusterAddress(address, "--ray"))
        if address != "auto"
        else find_cluster()
    )
    try:
        if cluster.cluster is None:
            why = cluster.why_not or "none runs here"
            raise ClusterError(f"expected a Ray cluster: {why}")
        require(cluster.cluster)  # before ray is imported
        with _joined(cluster.cluster):
            yield
    except ClusterError as error:
        raise MachineError(str(error)) from None


def _require_installed() -> None:
    """Before Ray is imported, which reads its authentication settings once."""
    for extra in (TRAINING, RAY_TRAIN):
        if not extra.installed:
            raise MachineError(extra.needed_by("training ray-train"))


@contextmanager
def _joined(cluster: ClusterAddress) -> Iterator[None]:
    import ray

    where = f"the Ray cluster at {cluster.text()}"

    def init() -> None:
        try:
            # never "auto": Ray would join any cluster of this machine, whosever it is
            ray.init(cluster.address, logging_level=logging.WARNING)
        except (ConnectionError, ValueError, ray.exceptions.RayError) as error:
            said = str(error).strip().partition("\n")[0]
            raise ClusterError(f"expected to join {where}: {said}") from error

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with joined(init, ray.shutdown, where=where):
        if cluster.address != "local":
            print(printable(f"joined {where}"), file=sys.stderr)
        yield


def _train(
    job: Callable[[], object], *, workers: int, gpus: bool, cpus_per_worker: int
) -> None:
    from ray import cloudpickle
    from ray.train import RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    with tempfile.TemporaryDirectory(prefix="ray-train-") as folder:
        trainer = TorchTrainer(
            remote.train,
            train_loop_config={
                "variables": of_this_job(),
                "call": cloudpickle.dumps((job, ())),
            },
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
