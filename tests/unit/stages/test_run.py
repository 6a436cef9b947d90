"""What `genoloom run` hands to Snakemake."""

import pytest
from helpers import call_genoloom

from genoloom.errors import InputError
from genoloom.stages import run as run_stage


@pytest.fixture
def configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yml", "c.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ("--configfile a.yaml release", "release --configfile a.yaml"),
        ("--configfile a.yaml b.yml c.json all", "all --configfile a.yaml b.yml c.json"),
        ("--configfile a.yaml --configfile b.yml -n", "--configfile a.yaml b.yml -n"),
        ("--configfile=a.yaml all", "all --configfile a.yaml"),
        ("--configfiles a.yaml results/s.json", "results/s.json --configfile a.yaml"),
        ("all --configfile a.yaml -n release", "all --configfile a.yaml -n release"),
        ("-n all --configfile a.yaml", "--configfile a.yaml -n all"),
        ("--config seed=2 all", "all --config seed=2"),
        ("--config s=2 --set-threads a=1 b=2 all -n", "all --config s=2 --set-threads a=1 b=2 -n"),
        ("--forcerun train_haplotypes", "--forcerun train_haplotypes"),
        ("--configfile a.yaml -- all", "--configfile a.yaml -- all"),
        ("", ""),
    ],
)  # fmt: skip
def test_targets_are_no_values_of_the_options_before_them(configs, given, handed_on):
    assert run_stage._targets_first(given.split()) == handed_on.split()


@pytest.mark.parametrize("given", ["--configfile", "--configfile -n", "--configfile=x.yaml"])
def test_a_configuration_file_that_is_not_there(configs, given):
    with pytest.raises(InputError, match="no file"):
        run_stage._targets_first(given.split())


def test_the_command_line_names_the_missing_file(configs):
    done = call_genoloom("run", "--configfile", "a.yaml", "gone.yaml", "all")
    assert done.returncode == 2
    assert "gone.yaml" in done.stderr
