"""The functions of the package, on the shipped data: the examples of their docstrings, and
errors.
"""

import doctest
import subprocess
import sys

import pytest

import genoloom
from genoloom import api
from genoloom.errors import InputError
from genoloom.privacy.attack_ids import AttackId

pytestmark = pytest.mark.slow

STEPS = ("read_panel", "read_sequences", "train", "sample", "compare", "audit")


@pytest.fixture(scope="module")
def examples(repository):
    """What the examples have made; each function goes on with the names of the one before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        names, failed = vars(api) | {"genoloom": genoloom}, {}
        finder = doctest.DocTestFinder(recurse=False)
        for step in STEPS:
            [test] = finder.find(getattr(api, step), step, globs=names)
            text = []
            runner = doctest.DocTestRunner(verbose=False)
            runner.run(test, out=text.append, clear_globs=False)
            names |= test.globs
            failed[step] = "".join(text)
        yield names, failed


@pytest.mark.parametrize("step", STEPS)
def test_examples(examples, step):
    assert not examples[1][step]


def test_the_first_example_is_that_of_the_functions():
    [test] = doctest.DocTestFinder(recurse=False).find(api, "api")
    assert [
        step for step in STEPS if any(f"genoloom.{step}(" in e.source for e in test.examples)
    ] == [step for step in STEPS if step != "read_sequences"]


def test_files_of_any_tool_are_compared(examples):
    panel, synthetic = examples[0]["panel"], examples[0]["synthetic"]
    rows = api.compare(panel, synthetic.variants, n_permutations=3)
    own = {(m.metric, m.population, m.bin): m.value for m in examples[0]["metrics"]}
    assert {(m.metric, m.population, m.bin): m.value for m in rows} == own


def test_private_tables_are_closed_to_others(examples):
    folder = examples[0]["panel"].folder / "private" / "mosaic-1"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "individuals.tsv").exists()


def test_errors_say_what_is_expected(examples, tmp_path):
    panel = examples[0]["panel"]
    with pytest.raises(
        InputError, match="'mosaik' is not known\n  expected: one of transformer, gan"
    ):
        genoloom.train(panel, "mosaik")
    with pytest.raises(InputError, match=r"(?s)segment: is no option.*segment_cm"):
        genoloom.train(panel, "mosaic", segment=1)
    with pytest.raises(InputError, match="min_mac: -1: "):
        genoloom.read_panel(tmp_path / "x.vcf", "20", min_mac=-1)
    with pytest.raises(InputError, match=r"x\.vcf"):
        genoloom.read_panel(tmp_path / "x.vcf", "20")


def test_importing_the_package_is_light():
    code = "import sys, genoloom; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = genoloom.nothing


def test_sequences_of_any_tool_are_compared_and_audited(examples):
    real, synthetic = examples[0]["real"], examples[0]["fasta"]
    options = {"n_permutations": 2, "max_compared": 20, "max_classified": 20}
    rows = api.compare(real, synthetic.fasta, **options)
    own = {m.metric: m.value for m in examples[0]["found"]}
    # without the model there are no bits per base
    assert {m.metric: m.value for m in rows} == {
        metric: value for metric, value in own.items() if metric != "bits_per_base"
    }
    attacks = {a.attack for a in api.audit(real, synthetic.fasta, bootstrap=199)}
    assert AttackId.WORST in attacks
    assert AttackId.MEMBERSHIP_BY_MODEL not in attacks
    assert (real.folder / "private" / "synthetic-1").stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="'mosaic' is not known"):
        api.train(real, "mosaic")
