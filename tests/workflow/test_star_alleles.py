"""The rule of star alleles: only where the configuration asks for it."""

import re
import shlex
import subprocess
import sys

import numpy as np
import yaml
from helpers import run_genoloom

from genoloom.cli.evaluation import report
from genoloom.cli.medicine import star_alleles
from genoloom.formats.tables import read_table

N = 240  # individuals


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


def write_cohort(folder):
    """Haplotypes with at most one of CYP2C9*2 and *3 (GRCh37), between sites of no meaning."""
    rng = np.random.default_rng(4)
    star = rng.choice(3, 2 * N, p=[0.7, 0.2, 0.1])
    sites = {position: rng.random(2 * N) < 0.3 for position in range(96_700_000, 96_750_000, 2000)}
    bases = dict.fromkeys(sites, "A\tG") | {96_702_047: "C\tT", 96_741_053: "A\tC"}
    sites |= {96_702_047: star == 1, 96_741_053: star == 2}
    names = [f"I{i}" for i in range(N)]
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=10,length=135534747>"]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += ["\t".join(["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT", *names])]
    for position in sorted(sites):
        pairs = sites[position].astype(int).reshape(N, 2)
        calls = [f"{a}|{b}" for a, b in pairs]
        lines += ["\t".join([f"10\t{position}\t.\t{bases[position]}\t.\t.\t.\tGT", *calls])]
    (folder / "data/cohort.vcf").write_text("\n".join(lines) + "\n")
    sexes = ["individual\tpopulation\tsex", *(f"{name}\tP\tfemale" for name in names)]
    (folder / "data/samples.tsv").write_text("\n".join(sexes) + "\n")
    panel = "panel\tcontig\tvariants\tsamples\nstar\t10\tdata/cohort.vcf\tdata/samples.tsv\n"
    (folder / "config/panels.tsv").write_text(panel)


def test_star_alleles_of_a_run(tiny_project):
    write_cohort(tiny_project)
    path = tiny_project / "config/config.yaml"
    settings = yaml.safe_load(path.read_text()) | {
        "star_alleles": {"enabled": True, "build": "GRCh37", "genes": "CYP2C9"}
    }
    path.write_text(yaml.safe_dump(settings))
    table = "results/validation/star/independent/star_alleles.tsv"
    done = run_genoloom("run", "-C", tiny_project, "--cores", 1, table, cwd=tiny_project.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    value = {
        (row["metric"], row["data"]): float(row["value"])
        for row in read_table(tiny_project / table) if row["population"] == "all"
    }  # fmt: skip
    assert value["variants_found", "synthetic"] == 2
    assert value["alleles_lost", "synthetic"] == 0
    assert 0 < value["diplotype_tv", "synthetic"] < 0.3
