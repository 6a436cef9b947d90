"""Who the individuals of a panel are: from the sheet, from a .psam, with names that PLINK can hold;
and maps of another place.
"""

import json
import logging
import shutil
import subprocess

import numpy as np
import pytest
from helpers import make_sites, write_vcf

from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.panel import Individuals
from genoloom.stages.prepare import prepare

ROWS = ["100 A C 0|1 1|1 0|0", "200 G T 1|0 0|1 1|1", "300 T C 1|0 1|1 0|1"]
OPTIONS = PrepareOptions(min_mac=0)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "20"


def test_individuals_of_a_psam(tmp_path, out, caplog):
    individuals = Individuals(
        ["S1", "S2", "S3"],
        ["GBR", "FIN", "FIN"],
        ["male", "female", "unknown"],
        ["f", "f", ""],
        ["EUR"] * 3,
    )
    with PanelWriter(tmp_path / "in", individuals, "20") as writer:
        writer.append(make_sites(4), np.eye(4, 6, dtype=np.int8))
    prepare(variants=tmp_path / "in.pgen", contig="20", out=out, options=OPTIONS)
    assert open_panel(out).individuals == individuals
    (tmp_path / "p.tsv").write_text("individual\tpopulation\nS1\tA\nS2\tA\nS3\tB\n")
    with caplog.at_level(logging.INFO):
        prepare(
            variants=tmp_path / "in.pgen",
            contig="20",
            out=out,
            options=OPTIONS,
            samples=tmp_path / "p.tsv",
        )
    assert open_panel(out).individuals.population == ["A", "A", "B"]
    assert "what the .psam says is not used" in caplog.text


def test_names_with_white_space(tmp_path, out, caplog):
    path = write_vcf(tmp_path / "in.vcf.gz", ROWS, ["Patient 1", "Patient_1", "B"])
    (tmp_path / "p.tsv").write_text("individual\tpopulation\nPatient 1\tA\nPatient_1\tB\nB\tB\n")
    prepare(variants=path, contig="20", out=out, options=OPTIONS, samples=tmp_path / "p.tsv")
    individuals = open_panel(out).individuals
    assert individuals.id == ["Patient_1.2", "Patient_1", "B"]
    assert individuals.population == ["A", "B", "B"]
    assert "white space" in caplog.text
    assert "Patient" not in caplog.text.replace(str(tmp_path), "")
    if shutil.which("plink2"):
        command = ["plink2", "--pfile", out, "vzs", "--freq", "--out", tmp_path / "o"]
        assert (
            "3 samples"
            in subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )


def test_a_name_that_plink_has_for_nobody(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", ROWS, ["A", "0", "B"])
    with pytest.raises(InputError, match="sample 2 "):
        prepare(variants=path, contig="20", out=out, options=OPTIONS)
    assert not out.parent.exists()


def test_maps(tmp_path, out):
    path = write_vcf(tmp_path / "in.vcf.gz", ROWS, ["A", "B", "C"])
    (tmp_path / "map").write_text("pos chr cM\n150 20 0\n1150 20 0.001\n")
    prepare(variants=path, contig="20", out=out, options=OPTIONS, genetic_map=tmp_path / "map")
    np.testing.assert_allclose(open_panel(out).sites.cm, [0, 5e-5, 15e-5])
    used = json.loads((tmp_path / "out/20.summary.json").read_text())["genetic_map"]
    assert (used["points"], used["centimorgans"], used["sites_inside"]) == (2, 0.001, 0.6667)
    shutil.rmtree(out.parent)
    (tmp_path / "map").write_text("pos chr cM\n10150 20 0\n11150 20 0.001\n")
    with pytest.raises(InputError, match="covers none of the sites"):
        prepare(variants=path, contig="20", out=out, options=OPTIONS, genetic_map=tmp_path / "map")
    assert not list(out.parent.iterdir())
