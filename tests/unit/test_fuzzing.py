"""A bounded run of the fuzzer: every reader, a few mutants, the same ones each time. `make fuzz`
runs many.
"""

import numpy as np
import pytest
from fuzzing.mutate import mutate_bytes, mutate_text
from fuzzing.run import GOOD, fuzz
from fuzzing.targets import TARGETS, Target

from genoloom.errors import InputError

MUTANTS = 6


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_valid_files_are_read_and_mutants_end_well(name, tmp_path, monkeypatch):
    target = TARGETS[name]
    files = target.valid()
    if target.packed:
        files = files | {target.spoil: target.packed(files[target.spoil])}
    for file, data in files.items():
        (tmp_path / file).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    target.read(tmp_path)
    outcomes, faults = fuzz(target, MUTANTS, seed=1)
    assert not [(fault.outcome, fault.why) for fault in faults]
    assert sum(outcomes[name] for name in GOOD) == MUTANTS


def die(place):
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def refuse_and_leave(place):
    (place / "made").write_text("half")
    raise InputError(place, "no")


def ask_for_memory(place):
    np.ones(3 << 30, dtype=np.uint8)


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        (die, "signal"),
        (refuse_and_leave, "partial file"),
        (ask_for_memory, "memory"),
        (lambda place: {}["x"], "untyped error"),
    ],
)
def test_the_fuzzer_sees_faults(read, outcome):
    target = Target("planted", lambda: {"a": b"1\t2\n"}, read, "a")
    outcomes, faults = fuzz(target, 3, seed=1)
    assert outcomes == {outcome: 3}
    assert [fault.outcome for fault in faults] == [outcome] * 3


@pytest.mark.parametrize("mutate", [mutate_bytes, mutate_text])
def test_mutants_differ_and_follow_from_the_seed(mutate):
    data = b"a\tb\n1\t2\n"
    found = [mutate(data, np.random.default_rng(i)) for i in range(50)]
    assert found == [mutate(data, np.random.default_rng(i)) for i in range(50)]
    assert len(set(found)) > 30
    assert mutate(b"", np.random.default_rng(1)) is not None
