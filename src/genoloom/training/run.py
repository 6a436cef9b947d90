"""One training run: its place on disk, its limits, its signals, its progress."""

import logging
import math
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from pydantic import Field, ValidationError

from genoloom.config_section import Section
from genoloom.declared import Description
from genoloom.errors import CollapsedError, InputError, Interrupted
from genoloom.formats.tables import write_table
from genoloom.seeds import derive_seed
from genoloom.training import processes
from genoloom.training.checkpoint import REMEDY, check_fit, load_checkpoint, save_checkpoint

log = logging.getLogger(__name__)

EVALUATIONS = 20  # in a schedule, unless set
# timed at each number of threads, to find how many fit into a schedule of this many minutes
PACE_STEPS = 20
TIMES = "times.tsv"
CHECKPOINT_S = 30.0  # between two checkpoints
WARM_STEPS = 2  # of them at the start, when memory is still being taken: not in the pace


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
        One row per evaluation; all rows of the run once it has ended.
    """

    state_dir: Path
    digest: str
    seed: int
    threads: int = 1
    device: str = "cpu"
    time_limit_s: float | None = None
    label: str = "training"
    history: list[dict] = field(default_factory=list)


class StateDescription(Description):
    """What a checkpoint holds next to the tensors of the model's own state and of its best
    snapshot.
    """

    digest: str
    step: int = Field(ge=0, le=10**12)
    steps: int = Field(ge=1, le=10**12)
    paced: bool
    threads: int = Field(ge=1)
    best: float = Field(allow_inf_nan=True)
    since_best: int = Field(ge=0)
    best_snapshot: dict | None
    history: list[dict[str, float]]
    seconds: float = Field(ge=0)
    model: dict


class Trainable(Protocol):
    """A model in training. Scores are lower-is-better."""

    def train_step(self, step: int, fraction: float) -> dict[str, float]:
        """One optimiser step. `fraction` of the schedule done, in [0, 1), for the learning rate.

        All random numbers must come from torch's global generator, which is seeded before each
        step, or from a numpy generator seeded by `step`: then a resumed run equals an uninterrupted
        one.
        """

    def evaluate(self, step: int) -> dict[str, float]:
        """Metrics on the validation set; must hold the key "score", and "gap" where `train` is
        given a `max_gap`.
        """

    def state_dict(self) -> dict:
        """All that changes in training: parameters, averages, optimiser."""

    def load_state_dict(self, state: dict) -> None: ...

    def snapshot(self) -> dict:
        """The weights to keep when this is the best evaluation so far."""

    def restore(self, snapshot: dict) -> None: ...


@contextmanager
def _stop_flag() -> Iterator[threading.Event]:
    """An event set by SIGTERM and by the first SIGINT; a second SIGINT acts as usual. Only the main
    thread can listen.

    Batch systems send SIGTERM more than once (SLURM to the step, and srun once more): each must
    find the state being saved.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def stop(number: int, _) -> None:
        flag.set()
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(
    model: Trainable,
    run: TrainingRun,
    *,
    steps: int,
    evaluate_every: int | None,
    minutes: float | None = None,
    patience: int | None = None,
    max_gap: float | None = None,
) -> None:
    """Train `model`, keep its best snapshot, save and resume its state.

    Of several processes (`genoloom.training.processes`) the leader alone evaluates, decides and
    saves.

    Parameters
    ----------
    steps : int
        Length of the schedule, unless `minutes` are given.
    evaluate_every : int or None
        Steps between evaluations; the last step is always evaluated, and so is step 0. None:
        `EVALUATIONS` in a schedule.
    minutes : float or None
        Length of the schedule in minutes of training and evaluations: `PACE_STEPS` are timed with
        `run.threads`, with half of them and so on down to one; the schedule goes on with the
        fastest, gets as many steps as fit, and keeps both when it is resumed.
    patience : int or None
        Stop after this many evaluations without a better score. None never stops early.
    max_gap : float or None
        Stop at the first evaluation whose "gap" is larger; the weights of that evaluation are not
        kept.

    Raises
    ------
    Interrupted
        SIGTERM, SIGINT or the time limit; the state is saved first.
    InputError
        The state directory belongs to other data or options.
    CollapsedError
        A loss or score is not a finite number.
    """
    torch.set_num_threads(run.threads)
    progress = _Progress(run, steps, evaluate_every, minutes)
    if progress.path.exists():
        progress.load(model)
    with _stop_flag() as stop:
        _advance(model, progress, stop, patience, max_gap)
    if processes.rank():
        return
    if progress.best_snapshot is not None:
        model.restore(progress.best_snapshot)
    run.history = progress.rows
    progress.save(model)


def schedule_of(options: Section, **more: int) -> dict[str, int | float | None]:
    """What `train` takes from the options of a generator, and by `more` in place of some."""
    names = {"steps", "minutes", "evaluate_every", "patience", "max_gap"}
    return options.model_dump(include=names) | more


def _advance(
    model: Trainable,
    progress: "_Progress",
    stop: threading.Event,
    patience: int | None,
    max_gap: float | None,
) -> None:
    """Steps and evaluations until the schedule, the patience or the bound on the gap ends."""
    run = progress.run
    losses: dict[str, float] = {}
    while True:
        progress.keep_pace()
        steps = progress.steps
        due = progress.step % progress.evaluate_every == 0 or progress.step == steps
        if due and processes.agreed(
            processes.rank() == 0 and progress.ends_early(model, losses, patience, max_gap)
        ):
            return
        if progress.step >= steps:
            return
        out_of_time = (
            run.time_limit_s is not None
            and progress.done > 0
            and progress.session_s > run.time_limit_s
        )
        if processes.agreed(stop.is_set() or out_of_time):
            progress.save(model)
            reason = "the time limit came" if out_of_time else "a signal came"
            raise Interrupted(
                f"{run.label}: {reason} at step {progress.step} of {steps}; the state is saved, "
                "run again to go on"
            )
        if time.monotonic() - progress.saved > CHECKPOINT_S:
            progress.save(model)
        torch.manual_seed(derive_seed(run.seed, "step", progress.step))
        started = time.monotonic()
        losses = model.train_step(progress.step, progress.step / steps)
        if not progress.paced:
            progress.step_seconds.append(time.monotonic() - started)
        _refuse_divergence(run.label, progress.step, losses)
        progress.step += 1


class _Progress:
    """How far a run has come: what a checkpoint holds next to the model's own state."""

    def __init__(
        self, run: TrainingRun, steps: int, evaluate_every: int | None, minutes: float | None
    ):
        """With `minutes` the number of steps is not known until a few have been timed; till then it
        is taken as a large one.
        """
        self.run, self.minutes, self.paced = run, minutes, minutes is None
        self.steps = steps if self.paced else 100 * PACE_STEPS
        self.threads, self.pace = run.threads, {}  # seconds per step by number of threads
        self.step_seconds: list[float] = []  # at the present number
        self.given_every = evaluate_every
        self.path = run.state_dir / "checkpoint.safetensors"
        self.step = self.since_best = self.first_step = 0
        self.best, self.best_snapshot, self.rows = math.inf, None, []
        self.earlier_s = 0.0  # time spent before this session
        self.evaluations, self.evaluations_s = 0, 0.0  # of this session
        self.started = self.saved = time.monotonic()

    @property
    def session_s(self) -> float:
        return time.monotonic() - self.started

    @property
    def done(self) -> int:
        """Steps of this session."""
        return self.step - self.first_step

    @property
    def evaluate_every(self) -> int:
        return self.given_every or max(1, self.steps // EVALUATIONS)

    def keep_pace(self) -> None:
        """Once enough steps have been timed, keep the fastest number of threads, and give the
        schedule the steps that fit.
        """
        if self.paced or len(self.step_seconds) < PACE_STEPS:
            return
        self.pace[self.threads] = statistics.mean(self.step_seconds[WARM_STEPS:])
        self.step_seconds.clear()
        if self.threads > 1:
            self._use(self.threads // 2)
            return
        self._use(processes.of_leader(min(self.pace, key=self.pace.get)))
        step_s = self.pace[self.threads]
        left_s = 60 * self.minutes - self.earlier_s - self.session_s
        evaluation_s = self.evaluations_s / max(1, self.evaluations)
        if self.given_every is None:
            left_s -= EVALUATIONS * evaluation_s
        else:
            step_s += evaluation_s / self.given_every
        self.steps = processes.of_leader(self.step + max(1, round(left_s / step_s)))
        self.paced = True
        paces = ", ".join(
            f"{seconds:.3g} s a step with {threads} thread(s)"
            for threads, seconds in self.pace.items()
        )
        log.info(
            "%s: %s, so %d steps in %g minutes with %d",
            self.run.label,
            paces,
            self.steps,
            self.minutes,
            self.threads,
        )

    def _use(self, threads: int) -> None:
        self.threads = threads
        torch.set_num_threads(threads)

    def load(self, model: Trainable) -> None:
        state = load_checkpoint(self.path)
        try:
            words = StateDescription.model_validate(state)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, problem["loc"]))
            raise InputError(
                self.path, f"is no training checkpoint ('{place}': {problem['msg']})", remedy=REMEDY
            ) from None
        if words.digest != self.run.digest:
            raise InputError(
                self.path,
                f"belongs to another run ({words.digest[:12]})",
                expected=f"{self.run.digest[:12]}, of these data and options",
                remedy=f"remove {self.run.state_dir} to start again, or give another state "
                "directory",
            )
        check_fit(self.path, state["model"], model.state_dict())
        if state["best_snapshot"] is not None:
            check_fit(self.path, state["best_snapshot"], model.snapshot())
        self.step = self.first_step = words.step
        self.best = words.best
        self.since_best = words.since_best
        self.best_snapshot = state["best_snapshot"]
        self.rows, self.earlier_s = words.history, words.seconds
        if self.minutes is not None:
            self.steps, self.paced = words.steps, words.paced
            if self.paced:  # fewer threads than then may be given now
                self._use(min(words.threads, self.threads))
        try:
            model.load_state_dict(state["model"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                self.path, f"does not fit this model ({error})", remedy=REMEDY
            ) from None
        log.info("%s: resumed at step %d of %d", self.run.label, self.step, self.steps)

    def save(self, model: Trainable) -> None:
        if processes.rank():
            return
        state = {
            "digest": self.run.digest,
            "step": self.step,
            "steps": self.steps,
            "paced": self.paced,
            "threads": self.threads,
            "best": self.best,
            "since_best": self.since_best,
            "best_snapshot": self.best_snapshot,
            "history": self.rows,
            "seconds": self.earlier_s + self.session_s,
            "model": model.state_dict(),
        }
        save_checkpoint(self.path, state)
        self.saved = time.monotonic()

    def ends_early(
        self,
        model: Trainable,
        losses: dict[str, float],
        patience: int | None,
        max_gap: float | None,
    ) -> bool:
        """Evaluate; whether the patience or the bound on the gap is used up."""
        self.evaluate(model, losses, max_gap)
        label, step, gap = self.run.label, self.step, self.rows[-1].get("gap")
        if patience is not None and self.since_best >= patience:
            log.info(
                "%s: no better score in %d evaluations, stopping at step %d", label, patience, step
            )
            return True
        if _exceeds(self.rows[-1], max_gap):
            log.info("%s: gap %.3f is above %g, stopping at step %d", label, gap, max_gap, step)
            return True
        return False

    def evaluate(self, model: Trainable, losses: dict[str, float], max_gap: float | None) -> None:
        """Evaluate, unless the checkpoint was written after the evaluation of this very step."""
        if self.rows and self.rows[-1]["step"] == self.step:
            return
        started = time.monotonic()
        metrics = model.evaluate(self.step)
        self.evaluations = self.evaluations + 1
        self.evaluations_s = self.evaluations_s + time.monotonic() - started
        _refuse_divergence(self.run.label, self.step, {"score": metrics["score"]})
        self.rows.append(
            {"step": self.step, "seconds": self.earlier_s + self.session_s, **losses, **metrics}
        )
        if metrics["score"] < self.best and not _exceeds(metrics, max_gap):
            self.best, self.since_best, self.best_snapshot = metrics["score"], 0, model.snapshot()
        else:
            self.since_best += 1
        self._say()

    def _say(self) -> None:
        pace = ""
        if self.done:
            rate = self.done / self.session_s
            pace = f"  {rate:.1f} steps/s, {(self.steps - self.step) / rate:.0f} s left"
        metrics = "  ".join(
            f"{k} {v:.4g}" for k, v in self.rows[-1].items() if k not in ("step", "seconds")
        )
        log.info("%s: step %d/%d  %s%s", self.run.label, self.step, self.steps, metrics, pace)


def _exceeds(metrics: dict[str, float], max_gap: float | None) -> bool:
    return max_gap is not None and metrics["gap"] > max_gap


def _refuse_divergence(label: str, step: int, metrics: dict[str, float]) -> None:
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        raise CollapsedError(
            f"{label}: {', '.join(bad)} not finite at step {step}; try a lower learning rate"
        )


def write_times(run: TrainingRun) -> None:
    """When each evaluation of a run was, in seconds of training, as `times.tsv` in its state
    directory.
    """
    write_table(
        run.state_dir / TIMES,
        ["step", "seconds"],
        [{k: row[k] for k in ("step", "seconds")} for row in run.history],
    )
