"""Rules in `privacy.mode: public` and `statistics`: no job between the templates and the draws
reads the cohort.
"""

import re
import subprocess
import sys

import pytest
import yaml

from genoloom.formats.public_panels import PublicContig, PublicPanel, write_public_panel

PUBLIC = {
    "generators": ["gan", "copying_network"],
    "privacy": {
        "mode": "public",
        "public_panel": "pub",
        "populations": "FIN:CEU,IBS:TSI",
        "size": 30,
        "mix": "FIN:1,GBR:1,IBS:1",
    },
}


@pytest.mark.parametrize("mode", ["public", "statistics"])
def test_what_makes_public_data_reads_no_file_of_the_cohort(tiny_project, repository, mode):
    path = tiny_project / "config/config.yaml"
    asked = PUBLIC | {"privacy": PUBLIC["privacy"] | {"mode": mode}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | asked))
    place = tiny_project / "public_panels/pub"
    place.mkdir(parents=True)
    contigs = {"20": PublicContig(sites=1, length=None, files={})}
    text = dict.fromkeys(("name", "source", "terms"), "pub")
    record = PublicPanel(
        **text, populations={"CEU": 9, "TSI": 9, "GBR": 9}, contigs=contigs, raw={}
    )
    write_public_panel(place / "panel.json", record)
    for name in ("20.pgen", "20.pvar.zst", "20.psam"):
        (place / name).touch()
    compared = "results/validation/tiny/comparison/fidelity.tsv"
    command = ["-n", "-p", "--snakefile", repository / "Snakefile", "release", compared]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *map(str, command)],
        cwd=tiny_project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    jobs = {
        output: (inputs, rest)
        for inputs, output, rest in re.findall(
            r"^ +input: ([^\n]+)\n +output: ([^,\n]+)(.*?)(?=\n\n)", said, re.MULTILINE | re.DOTALL
        )
    }
    made = "results/synthetic/tiny/copying_network"
    for output in (
        "results/models/tiny/copying_network/20.safetensors",
        f"{made}/cohort.tsv",
        f"{made}/20.vcf.gz",
    ):
        inputs, rest = jobs[output]
        assert not re.search(r"results/(panels|splits)", inputs + rest.partition("log:")[2]), output
    assert "--size 30 --populations FIN:1,GBR:1,IBS:1" in said
    assert "--size none --populations panel" in said  # of the other generator
    matched, _ = jobs["results/templates/tiny/20.pgen"]
    assert "results/panels/tiny/20.pgen" in matched
    assert "public_panels/pub/panel.json" in matched
    assert "results/splits/tiny.tsv" in jobs["results/models/tiny/gan/20.safetensors"][0]
    assert f"--privacy-mode {mode} --populations FIN:CEU,IBS:TSI" in said
    model, _ = jobs["results/models/tiny/copying_network/20.safetensors"]
    measured = "results/statistics/tiny.safetensors"
    assert (measured in model) == (mode == "statistics")
    if mode == "statistics":
        inputs, rest = jobs[measured]
        for part in ("panels/tiny/20.pgen", "splits/tiny.tsv", "templates/tiny/20.pgen"):
            assert f"results/{part}" in inputs
        assert "--budget results/private/tiny/privacy_budget.json" in rest
        assert "--epsilon 3.0 --delta 1e-05 --noise secret" in rest
        assert re.search(f"genoloom train copying_network .*--statistics {measured}", said)
    inputs, _ = jobs[compared]
    for part in ("templates/tiny/20.pgen", "models/tiny/copying_network/20.safetensors"):
        assert f"results/{part}" in inputs
    assert re.search("genoloom panel compare .*--row private_twin --populations FIN:CEU,IBS", said)
    # none for what never saw the cohort, some for what did
    assert "results/private/tiny/copying_network/shadow" not in said
    assert "results/private/tiny/gan/shadow/0.safetensors" in said
    assert re.search(r"genoloom release .*copying_network.* --public-panels public_panels", said)
