"""An X of haploid males that is trained in windows and drawn in parts, from its file to the
report: windows and parts are jobs of their own.
"""

import cyvcf2
import pytest
import yaml
from helpers import run_genoloom
from small_project import TINY

from genoloom.formats.models import read_description
from genoloom.formats.tables import read_table
from genoloom.pipelines.testdata import testdata as write_testdata

SAMPLES = "data/samples.X.tsv"
SETTINGS = {
    "panels": "config/panels.tsv",
    "generators": ["transformer"],
    "baselines": [],
    "train": {
        "common": {"device": "cpu"},
        "transformer": TINY["train"]["transformer"] | {"window": 128, "overlap": 60, "steps": 20},
    },
    "cohort": {"size": 30},
    "generate": {"jobs": 2},
    "validate": {"n_permutations": 2},
    "audit": {"bootstrap": 199, "windows": "50", "shadow_models": 0},
}


@pytest.mark.slow
def test_windows_and_parts_of_x_are_gathered_under_the_ordinary_names(tmp_path):
    project = tmp_path / "project"
    write_testdata(directory=project / "data", individuals=60, seed=1)
    (project / "config").mkdir()
    row = ["sex", "X", "data/genotypes/X.simulated_from_20.vcf.gz", SAMPLES]
    (project / "config/panels.tsv").write_text(
        "panel\tcontig\tvariants\tsamples\n" + "\t".join(row) + "\n"
    )
    (project / "config/config.yaml").write_text(yaml.safe_dump(SETTINGS))
    done = run_genoloom("run", "-C", project, "--cores", 2)
    assert done.returncode == 0, done.stderr[-6000:]
    assert (project / "results/report/index.html").exists()

    models = project / "results/models/sex/transformer"
    windows, words = (
        read_table(models / "windows/X.tsv"),
        read_description(models / "X.safetensors", "haplotypes"),
    )
    assert len(words["windows"]) == len(windows) >= 2
    assert [w["stop"] - w["start"] for w in words["windows"]] == [int(w["sites"]) for w in windows]
    assert int(windows[1]["overlap"]) == 64
    assert words["ploidy"] == "x-linked"
    # windows and parts were made by their own jobs, and only put together by those of the contig
    logs = project / "logs"
    log = (logs / "train_haplotypes/sex.transformer.X.log").read_text()
    assert log.count("resumed at step 20 of 20") == len(windows)
    assert len([*logs.glob("generate_part/*")]) == 2
    assert not (project / "results/synthetic/sex/transformer/parts").exists()

    sex = {
        r["individual"]: r["sex"]
        for r in read_table(project / "results/synthetic/sex/transformer/cohort.tsv")
    }
    file = cyvcf2.VCF(str(project / "results/synthetic/sex/transformer/X.vcf.gz"))
    for record in file:
        calls = record.genotype.array()[:, :2]
        haploid = {name for name, call in zip(file.samples, calls, strict=True) if call[1] == -2}
        assert haploid == {name for name in sex if sex[name] == "male"}
    rows = read_table(project / "results/validation/sex/transformer/fidelity.tsv")
    verdicts = {r["metric"]: r["verdict"] for r in rows if r["generator"] == "transformer"}
    assert verdicts["hardy_weinberg"] == "not run"  # a metric of genotypes
    assert verdicts["frequency_error"] != "not run"
