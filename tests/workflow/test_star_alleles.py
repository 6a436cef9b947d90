"""The rule of star alleles: only where the configuration asks for it."""

import re
import shlex
import subprocess
import sys

import yaml

from genoloom.cli.evaluation import report
from genoloom.cli.medicine import star_alleles


def plan(folder, repository, **settings):
    path = folder / "config/config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))
    command = ["-n", "-p", "--snakefile", repository / "Snakefile"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *map(str, command)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def flags_of(command, said):
    """The options of the first call of a command in the plan, all of which it must know."""
    words = shlex.split(re.search(rf"genoloom {command.name} .*", said)[0])
    given = [word for word in words if word.startswith("--")]
    assert set(given) <= {flag for option in command.params for flag in option.opts}
    return words


def test_star_alleles_add_a_rule_and_a_section_of_the_report(tiny_project, repository):
    code, said = plan(tiny_project, repository, star_alleles={"enabled": True, "build": "GRCh37"})
    assert code == 0, said
    assert re.search(r"^compare_star_alleles +\d+$", said, re.MULTILINE)
    words = flags_of(star_alleles, said)
    assert words[words.index("--build") + 1] == "GRCh37"
    assert "--genes" not in words
    assert "--star-alleles" in flags_of(report, said)


def test_a_build_is_needed(tiny_project, repository):
    code, said = plan(tiny_project, repository, star_alleles={"enabled": True})
    assert code != 0
    assert "star_alleles.build is not given" in said
