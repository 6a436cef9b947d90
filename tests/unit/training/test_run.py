import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

from genoloom.errors import CollapsedError, InputError, Interrupted
from genoloom.formats.histories import read_history, write_history
from genoloom.models.layers import AveragedTraining
from genoloom.training.run import EVALUATIONS, PACE_STEPS, TrainingRun, train


class Regression(AveragedTraining):
    """Fits noisy data with dropout, so that every random number matters."""

    def __init__(self, scores=None):
        torch.manual_seed(5)
        super().__init__(
            torch.nn.Sequential(
                torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1)
            ),
            1e-2,
        )
        self.x, self.scores, self.before_step = torch.randn(64, 4), scores, lambda step: None

    def train_step(self, step, fraction):
        self.before_step(step)
        batch = self.x[torch.randint(64, (16,))]
        loss = (self.model.train()(batch) - batch.sum(1, keepdim=True)).square().mean()
        self.descend(loss, fraction)
        return {"loss": loss.item()}

    def evaluate(self, step):
        if self.scores is not None:
            return {"score": self.scores(step)}
        with torch.no_grad():
            return {
                "score": (self.average.eval()(self.x) - self.x.sum(1, keepdim=True))
                .square()
                .mean()
                .item()
            }


def a_run(tmp_path, digest="data+options", **more):
    return TrainingRun(state_dir=tmp_path, digest=digest, seed=11, label="test", **more)


def without_time(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("stop_at", [1, 10, 17])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, stop_at):
    whole, whole_run = Regression(), a_run(tmp_path / "whole")
    train(whole, whole_run, steps=30, evaluate_every=10)

    cut, cut_run = Regression(), a_run(tmp_path / "cut")
    cut.before_step = lambda step: (
        os.kill(os.getpid(), signal.SIGTERM) if step == stop_at - 1 else None
    )
    with pytest.raises(Interrupted, match=f"signal came at step {stop_at} of 30"):
        train(cut, cut_run, steps=30, evaluate_every=10)
    resumed, resumed_run = Regression(), a_run(tmp_path / "cut")
    train(resumed, resumed_run, steps=30, evaluate_every=10)

    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert without_time(whole_run.history) == without_time(resumed_run.history)
    assert [row["step"] for row in resumed_run.history] == [0, 10, 20, 30]
    seconds = [row["seconds"] for row in resumed_run.history]
    assert seconds == sorted(seconds)


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("genoloom.training.run.time", self)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("evaluate_every", [None, 30])
def test_a_schedule_in_minutes_takes_so_long(tmp_path, monkeypatch, evaluate_every):
    clock, run = Clock(monkeypatch), a_run(tmp_path)
    model = Regression(scores=lambda step: clock.sleep(2) or 1 / (1 + step))
    model.before_step = lambda step: clock.sleep(0.5)
    train(model, run, steps=7, evaluate_every=evaluate_every, minutes=5)
    last = run.history[-1]
    assert last["seconds"] == pytest.approx(300, abs=5)
    assert last["step"] > 450
    # when the length was known
    evaluated = [row["step"] for row in run.history if row["step"] > 2 * PACE_STEPS]
    apart = np.diff(evaluated)[:-1]
    assert (apart == (evaluate_every or last["step"] // EVALUATIONS)).all()
    assert len(apart) > 10


def test_a_resumed_schedule_in_minutes_keeps_its_length(tmp_path, monkeypatch):
    clock, run, schedule = (
        Clock(monkeypatch),
        a_run(tmp_path),
        {"steps": 7, "evaluate_every": None, "minutes": 5},
    )
    cut = Regression()

    def step_and_stop(step):
        clock.sleep(0.5)
        if step == PACE_STEPS + 4:
            os.kill(os.getpid(), signal.SIGTERM)

    cut.before_step = step_and_stop
    with pytest.raises(Interrupted, match="at step 25 of 600"):
        train(cut, run, **schedule)
    again = Regression()
    again.before_step = lambda step: clock.sleep(2)  # another machine
    train(again, run, **schedule)
    assert run.history[-1]["step"] == 600


@pytest.fixture
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_schedule_in_minutes_keeps_the_fastest_number_of_threads(
    tmp_path, monkeypatch, threads_as_before
):
    clock, schedule = Clock(monkeypatch), {"steps": 7, "evaluate_every": None, "minutes": 5}
    used = []

    def a_model(seconds, stop_at=None):
        def before_step(step):
            used.append(torch.get_num_threads())
            clock.sleep(seconds[used[-1]] + (10 if step == 0 else 0))  # the very first step is slow
            if step == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)

        model = Regression(scores=lambda step: 1 / (1 + step))
        model.before_step = before_step
        return model

    with pytest.raises(Interrupted):
        train(
            a_model({4: 1.0, 2: 0.5, 1: 2.0}, stop_at=100), a_run(tmp_path, threads=4), **schedule
        )
    tried = [4] * PACE_STEPS + [2] * PACE_STEPS + [1] * PACE_STEPS
    assert used == tried + [2] * (101 - len(tried))

    run = a_run(tmp_path, threads=4)
    used.clear()
    train(a_model({2: 0.5}), run, **schedule)
    assert set(used) == {2}
    assert run.history[-1]["seconds"] == pytest.approx(300, abs=5)


def test_a_resumed_schedule_in_minutes_uses_no_more_threads_than_it_is_given(
    tmp_path, monkeypatch, threads_as_before
):
    clock, used = Clock(monkeypatch), []
    cut, again = Regression(), Regression()

    def step_and_stop(step):
        clock.sleep(1 / torch.get_num_threads())
        if step == 100:
            os.kill(os.getpid(), signal.SIGTERM)

    cut.before_step, again.before_step = (
        step_and_stop,
        lambda step: used.append(torch.get_num_threads()) or clock.sleep(1),
    )
    schedule = {"steps": 7, "evaluate_every": None, "minutes": 5}
    with pytest.raises(Interrupted):
        train(cut, a_run(tmp_path, threads=4), **schedule)
    assert torch.get_num_threads() == 4
    train(again, a_run(tmp_path, threads=2), **schedule)
    assert set(used) == {2}


def test_a_finished_run_does_no_more_steps(tmp_path):
    first = Regression()
    train(first, a_run(tmp_path), steps=10, evaluate_every=5)
    again, run = Regression(), a_run(tmp_path)
    again.before_step = lambda step: pytest.fail("a finished run must not train")
    train(again, run, steps=10, evaluate_every=5)
    assert torch.equal(first.model[0].weight, again.model[0].weight)
    assert len(run.history) == 3


def test_another_digest_is_refused(tmp_path):
    train(Regression(), a_run(tmp_path, digest="a" * 64), steps=3, evaluate_every=3)
    with pytest.raises(InputError) as error:
        train(Regression(), a_run(tmp_path, digest="b" * 64), steps=3, evaluate_every=3)
    assert "aaaaaaaaaaaa" in str(error.value)
    assert "bbbbbbbbbbbb" in str(error.value)
    assert str(tmp_path) in error.value.remedy


def test_time_limit_saves_and_every_attempt_gets_further(tmp_path):
    run = a_run(tmp_path, time_limit_s=1e-9)
    for step in (1, 2):
        with pytest.raises(Interrupted, match=f"time limit came at step {step} of 3") as error:
            train(Regression(), run, steps=3, evaluate_every=1)
        assert error.value.exit_code == 75
    train(Regression(), run, steps=3, evaluate_every=1)
    assert [row["step"] for row in run.history] == [0, 1, 2, 3]


def test_early_stopping_keeps_the_best_weights(tmp_path):
    # best at step 4, then worse for ever
    model, run = Regression(scores=lambda step: abs(step - 4.0)), a_run(tmp_path)
    weights = {}
    model.before_step = lambda step: weights.update(
        {step: model.average.module[0].weight.detach().clone()}
    )
    train(model, run, steps=100, evaluate_every=2, patience=3)
    assert run.history[-1]["step"] == 10
    assert torch.equal(model.model[0].weight, weights[4])


def test_a_gap_that_is_too_wide_stops_and_its_weights_are_not_kept(tmp_path):
    class Memorising(Regression):
        def evaluate(self, step):
            return {"score": 100.0 - step, "gap": step / 100}

    model, run = Memorising(), a_run(tmp_path)
    weights = {}
    model.before_step = lambda step: weights.update(
        {step: model.average.module[0].weight.detach().clone()}
    )
    train(model, run, steps=100, evaluate_every=5, max_gap=0.32)
    assert [row["step"] for row in run.history] == [0, 5, 10, 15, 20, 25, 30, 35]
    assert torch.equal(model.model[0].weight, weights[30])
    endless = a_run(tmp_path / "endless")
    train(Memorising(), endless, steps=50, evaluate_every=10)
    assert endless.history[-1]["step"] == 50


def test_divergence_is_not_trained_on(tmp_path):
    model = Regression()
    model.before_step = lambda step: model.x.fill_(torch.nan) if step == 2 else None
    with pytest.raises(CollapsedError, match="loss not finite at step 2"):
        train(model, a_run(tmp_path), steps=5, evaluate_every=5)


def test_signal_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    train(Regression(), a_run(tmp_path), steps=2, evaluate_every=1)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM] * 3, [signal.SIGINT]])
def test_signals_from_outside_save_and_exit_75(tmp_path, signals):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import sys, time
            from pathlib import Path
            import torch
            from genoloom.errors import GenoLoomError
            from genoloom.training.run import TrainingRun, train

            class Slow:
                def train_step(self, step, fraction):
                    Path(sys.argv[1], "started").touch()
                    time.sleep(0.01)
                    return {}
                def evaluate(self, step): return {"score": 1.0}
                def state_dict(self): return {"w": torch.zeros(1)}
                def snapshot(self): return {}

            try:
                run = TrainingRun(Path(sys.argv[1]), "digest", 1)
                train(Slow(), run, steps=100_000, evaluate_every=100_000)
            except GenoLoomError as error:
                sys.exit(error.exit_code)
            """
        )
    )
    process = subprocess.Popen([sys.executable, program, tmp_path])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        for number in signals:
            process.send_signal(number)
        assert process.wait(timeout=30) == 75
    finally:
        process.kill()
    assert (tmp_path / "checkpoint.safetensors").exists()
    assert not list(tmp_path.glob(".part-*"))


def test_history_round_trip(tmp_path):
    rows = [{"step": 0, "score": 1.5}, {"step": 5, "loss": 0.25, "score": 1.0}]
    write_history(tmp_path / "history.tsv", rows)
    assert read_history(tmp_path / "history.tsv") == rows
