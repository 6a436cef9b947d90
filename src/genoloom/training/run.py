"""One training run: its place on disk, its limits, its signals, its progress."""

import csv
import json
import logging
import math
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from genoloom.errors import InputError, Interrupted
from genoloom.formats.tables import format_cell, write_table
from genoloom.seeds import derive_seed
from genoloom.training.checkpoint import load_checkpoint, save_checkpoint

log = logging.getLogger(__name__)


@dataclass
class TrainingRun:
    """What a generator needs to know about the run it is fitted in.

    Attributes
    ----------
    state_dir : Path
        Where checkpoint and history live. Not a workflow output, so a killed run finds them again.
    digest : str
        What the state belongs to: data, options, seed. A checkpoint with another digest is refused.
    seed : int
    threads : int
    device : str
        A torch device: "cpu", "cuda", "cuda:1", ...
    time_limit_s : float or None
        Stop, save and raise `Interrupted` when this much time has passed.
    label : str
        How progress lines are headed, for example "transformer 20".
    history : list of dict
        One row an evaluation; all rows of the run once it has ended.
    """

    state_dir: Path
    digest: str
    seed: int
    threads: int = 1
    device: str = "cpu"
    time_limit_s: float | None = None
    label: str = "training"
    history: list[dict] = field(default_factory=list)


class Trainable(Protocol):
    """A model in training. Scores are lower-is-better."""

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        """One optimiser step. `fraction` of the schedule done, in [0, 1), for the learning rate.

        All random numbers must come from torch's global generator, which is seeded before each step, or
        from a numpy generator seeded by `step`: then a resumed run equals an uninterrupted one.
        """

    def evaluate(self, step: int) -> dict[str, float]:
        """Figures on the people set aside; must hold the key "score"."""

    def state_dict(self) -> dict:
        """All that changes in training: parameters, averages, optimiser."""

    def load_state_dict(self, state: dict) -> None: ...

    def snapshot(self) -> dict:
        """The weights to keep when this is the best evaluation so far."""

    def restore(self, snapshot: dict) -> None: ...


def _stop_flag() -> threading.Event:
    """An event set by SIGTERM or SIGINT; only the main thread can listen."""
    flag = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: flag.set())
    return flag


def train(
    model: Trainable,
    run: TrainingRun,
    *,
    steps: int,
    evaluate_every: int,
    patience: int | None = None,
    checkpoint_every_s: float = 30.0,
) -> None:
    """Train `model`, keep its best snapshot, save and resume its state.

    Parameters
    ----------
    steps : int
        Length of the schedule.
    evaluate_every : int
        Steps between evaluations; the last step is always evaluated, and so is step 0.
    patience : int or None
        Stop after this many evaluations without a better score. None never stops early.
    checkpoint_every_s : float
        Seconds between checkpoints.

    Raises
    ------
    Interrupted
        SIGTERM, SIGINT or the time limit; the state is saved first.
    InputError
        The state directory belongs to other data or options.
    """
    path = run.state_dir / "checkpoint.safetensors"
    stop = _stop_flag()
    torch.set_num_threads(run.threads)
    step, best, since_best, best_snapshot, rows = 0, math.inf, 0, None, []
    if path.exists():
        state = load_checkpoint(path)
        if state["digest"] != run.digest:
            raise InputError(
                path,
                f"belongs to another run ({state['digest'][:12]})",
                expected=f"{run.digest[:12]}, of these data and options",
                remedy=f"remove {run.state_dir} to start again, or give another state directory",
            )
        step, best, since_best = state["step"], state["best"], state["since_best"]
        best_snapshot, rows = state["best_snapshot"], json.loads(state["history"])
        model.load_state_dict(state["model"])
        log.info("%s: resumed at step %d of %d", run.label, step, steps)

    def save() -> None:
        run.state_dir.mkdir(parents=True, exist_ok=True)
        save_checkpoint(
            path,
            {
                "digest": run.digest,
                "step": step,
                "best": best,
                "since_best": since_best,
                "best_snapshot": best_snapshot,
                "history": json.dumps(rows),
                "model": model.state_dict(),
            },
        )

    started = saved = time.monotonic()
    first_step, losses = step, {}
    while True:
        if step % evaluate_every == 0 or step == steps:
            if not rows or rows[-1]["step"] < step:
                figures = model.evaluate(step)
                row = {"step": step, "seconds": time.monotonic() - started, **losses, **figures}
                rows.append(row)
                if figures["score"] < best:
                    best, since_best, best_snapshot = figures["score"], 0, model.snapshot()
                else:
                    since_best += 1
                _say(run.label, step, steps, first_step, started, row)
            if patience is not None and since_best >= patience:
                log.info("%s: no better score in %d evaluations, stopping at step %d", run.label, patience, step)
                break
        if step >= steps:
            break
        out_of_time = run.time_limit_s is not None and time.monotonic() - started > run.time_limit_s
        if stop.is_set() or out_of_time:
            save()
            reason = "the time limit came" if out_of_time else "a signal came"
            raise Interrupted(f"{run.label}: {reason} at step {step} of {steps}; the state is saved, run again to go on")
        if time.monotonic() - saved > checkpoint_every_s:
            save()
            saved = time.monotonic()
        torch.manual_seed(derive_seed(run.seed, "step", step))
        losses = model.train_step(step, step / steps)
        step += 1
    if best_snapshot is not None:
        model.restore(best_snapshot)
    run.history = rows
    save()


def _say(label: str, step: int, steps: int, first_step: int, started: float, row: dict) -> None:
    done = step - first_step
    elapsed = time.monotonic() - started
    rate = done / elapsed if done else math.nan
    left = (steps - step) / rate if done else math.nan
    figures = "  ".join(f"{k} {v:.4g}" for k, v in row.items() if k not in ("step", "seconds"))
    pace = f"  {rate:.1f} steps/s, {left:.0f} s left" if done else ""
    log.info("%s: step %d/%d  %s%s", label, step, steps, figures, pace)


def write_history(path: str | Path, rows: list[dict]) -> None:
    """The history of a run as TSV; columns in the order in which they first appear."""
    columns = list(dict.fromkeys(key for row in rows for key in row)) or ["step"]
    write_table(path, columns, rows)


def read_history(path: str | Path) -> list[dict[str, float]]:
    """Rows of a history table as numbers; empty cells are left out."""
    with open(path, newline="") as handle:
        return [{k: float(v) for k, v in row.items() if v != format_cell(None)} for row in csv.DictReader(handle, delimiter="\t")]
