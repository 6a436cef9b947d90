"""Rules of phenotypes: only where the configuration names a trait sheet."""

import re
import subprocess
import sys

import yaml

SHEET = """
traits:
- {name: height, heritability: 0.5, causal: {number: 20}}
- {name: given, heritability: 0.2, causal: {file: causal.tsv}}
"""


def plan(folder, repository):
    command = ["-n", "--snakefile", repository / "Snakefile"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *map(str, command)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_trait_sheet_adds_its_rules(tiny_project, repository):
    path = tiny_project / "config/config.yaml"
    settings = yaml.safe_load(path.read_text()) | {"phenotypes": {"traits": "config/traits.yaml"}}
    path.write_text(yaml.safe_dump(settings))
    (tiny_project / "config/traits.yaml").write_text(SHEET)
    (tiny_project / "config/causal.tsv").write_text("contig\tposition\tref\talt\n20\t1\tA\tC\n")
    code, said = plan(tiny_project, repository)
    assert code == 0, said
    assert re.search(r"^draw_phenotypes +1$", said, re.MULTILINE)
    assert re.search(r"^apply_phenotypes +\d+$", said, re.MULTILINE)
    assert re.search(r"input: .*config/traits\.yaml, config/causal\.tsv", said)
