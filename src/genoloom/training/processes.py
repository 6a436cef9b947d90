"""One training in several processes: each takes its share of every batch, and the gradients are
summed.

The processes draw the same batch from the same seed and keep every n-th row of it, so what is
learned depends on their number by rounding and dropout alone. The first one leads: it alone
evaluates, saves, writes and logs. The others are started by `shared`, on one machine, or all by
`torchrun`, on one or many.
"""

import functools
import importlib
import logging
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

from genoloom.errors import GenoLoomError, InputError

PATIENCE = timedelta(hours=2)  # of helpers while the leader evaluates or saves


def rank() -> int:
    """Which of the processes this is; 0 leads."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """How many processes share each batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def share(n: int) -> slice:
    """The rows of a batch of `n` that are this process's."""
    return slice(rank(), n, size())


def part_ways() -> None:
    """Let each process draw random numbers of its own for the rest of a step: until now all have
    drawn the same.
    """
    if rank():
        torch.manual_seed(torch.initial_seed() + rank())


def sum_gradients(parameters: Iterable[torch.nn.Parameter], loss: torch.Tensor) -> float:
    """Replace the gradients by their sums over the processes, and return that of `loss`, a scalar.

    Raises
    ------
    GenoLoomError
        Another process is gone.
    """
    if size() == 1:
        return loss.item()
    given = [p for p in parameters if p.requires_grad]
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in given]
    total = torch.cat([loss.detach().reshape(1), *(part.flatten() for part in parts)])
    with _someone_may_be_gone():
        distributed.all_reduce(total)
    for p, part in zip(given, total[1:].split([p.numel() for p in given]), strict=True):
        p.grad = part.view_as(p)
    return total[0].item()


def of_leader(number: int) -> int:
    """The leader's number.

    Raises
    ------
    GenoLoomError
        Another process is gone.
    """
    if size() == 1:
        return number
    shared = torch.tensor([number], device="cuda" if distributed.get_backend() == "nccl" else "cpu")
    with _someone_may_be_gone():
        distributed.broadcast(shared, src=0)
    return int(shared.item())


def agreed(decision: bool) -> bool:
    """What the leader decided; raises as `of_leader`."""
    return bool(of_leader(int(decision)))


def shared(generators: tuple[str, ...]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a training stage run in as many processes as its options say (`TrainOptions.processes`),
    or as `torchrun` started.

    The stage is a function of a module, called by keyword, with `generator`, `common` and `options`
    among its arguments. Helpers call it with the same arguments, and must not write. Only
    `generators` share batches; others train in one process.

    Raises
    ------
    InputError
        `torchrun` for such a generator, or more processes than rows in a batch.
    """

    def decorate(stage: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(stage)
        def run(**arguments) -> None:
            name, options = arguments["generator"], arguments["options"]
            launched = distributed.is_torchelastic_launched()
            processes = int(os.environ["WORLD_SIZE"]) if launched else arguments["common"].processes
            if name not in generators:
                if launched and processes > 1:
                    raise InputError(
                        "torchrun",
                        f"'{name}' trains in one process",
                        remedy="start it without torchrun",
                    )
                processes = 1
            if processes == 1:
                return stage(**arguments)
            if processes > options.batch:
                raise InputError(
                    "--processes", f"{processes}, more than the {options.batch} rows of a batch"
                )
            if launched:
                with _joined("env://", int(os.environ["RANK"]), processes):
                    return stage(**arguments)
            with tempfile.TemporaryDirectory() as place:
                meeting = f"file://{place}/meeting"
                with _helpers(stage, arguments, meeting, processes), _joined(meeting, 0, processes):
                    stage(**arguments)

        return run

    return decorate


@contextmanager
def _helpers(stage: Callable, arguments: dict, meeting: str, processes: int) -> Iterator[None]:
    """All processes but the leader; none outlives the block."""
    context = multiprocessing.get_context("spawn")
    name = (stage.__module__, stage.__name__)
    helpers = [
        context.Process(target=_help, args=(*name, arguments, meeting, i, processes), daemon=True)
        for i in range(1, processes)
    ]
    try:
        for helper in helpers:
            helper.start()
        yield
    finally:
        for helper in helpers:
            helper.kill()
            helper.join()


def _help(
    module: str, name: str, arguments: dict, meeting: str, number: int, processes: int
) -> None:
    """Run a stage as a helper. The leader listens to signals, and says what is wrong with the
    input.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    try:
        with _joined(meeting, number, processes):
            getattr(importlib.import_module(module), name).__wrapped__(**arguments)
    except GenoLoomError:
        raise SystemExit(1) from None


@contextmanager
def _joined(meeting: str, number: int, processes: int) -> Iterator[None]:
    """Be one of the processes that meet at `meeting`, a URL as `torch.distributed` takes it."""
    if meeting.startswith("file:"):
        # the machine's name may lead nowhere, or through a firewall
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", number)) % torch.cuda.device_count())
    if number:
        logging.getLogger("genoloom").setLevel(logging.CRITICAL)
    distributed.init_process_group(
        init_method=meeting, rank=number, world_size=processes, timeout=PATIENCE
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def _someone_may_be_gone() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise GenoLoomError(
            f"a process of this training is gone ({str(error).splitlines()[0]})\n"
            "  what to do: look for its last words above; run again to go on from the saved state"
        ) from None
