"""The data set that `genoloom testdata` writes, and that its truth tables are true."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import cyvcf2
import numpy as np
import pytest
from click.testing import CliRunner

from genoloom.cli import genoloom
from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.formats.pgen import open_panel
from genoloom.formats.plink_tables import read_fam
from genoloom.formats.scoring_files import read_scoring_file
from genoloom.formats.tables import read_table
from genoloom.pipelines.hostile_records import hostile_files
from genoloom.pipelines.testdata import testdata as write
from genoloom.stages.prepare import prepare
from genoloom.stages.verify import verify


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("testdata") / "td"
    write(directory=place, individuals=24, seed=3)
    return place


def test_the_same_seed_gives_the_same_bytes(data, tmp_path):
    found = {}
    for seed in (3, 4):
        write(directory=tmp_path / str(seed), individuals=24, seed=seed)
        found[seed] = (tmp_path / str(seed) / "MANIFEST.sha256").read_text()
    assert found[3] == (data / "MANIFEST.sha256").read_text() != found[4]
    assert verify(directory=data) == len(found[3].splitlines())
    with pytest.raises(InputError, match="is there already"):
        write(directory=data, individuals=24, seed=3)


def test_no_real_name_is_in_it(data, demo_dir):
    real = {row.split("\t")[0] for row in (demo_dir / "samples.tsv").read_text().splitlines()[1:]}
    for path in data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            text = gzip.decompress(content) if path.name.endswith("0.vcf.gz") else content
            assert not [name for name in real if name.encode() in text], path.name


def test_files_of_all_forms_hold_the_same_genotypes(data):
    panel = open_panel(data / "genotypes" / "20")
    alleles = panel.haplotypes.read(0, len(panel.sites))
    for name in ("20.vcf.gz", "20.bcf"):
        file = cyvcf2.VCF(str(data / "genotypes" / name))
        assert file.samples == panel.individuals.id
        assert "Test data" in file.raw_header
        assert "synthetic" not in file.raw_header
        assert [r.genotype.array()[:, :2].ravel().tolist() for r in file] == alleles.tolist()


def test_relatives_inherit_as_the_tables_say(data):
    panel = open_panel(data / "genotypes" / "20")
    alleles = panel.haplotypes.read(0, len(panel.sites))
    at = {name: i for i, name in enumerate(panel.individuals.id)}
    lines = [line.split("\t") for line in (data / "pedigree.fam").read_text().splitlines()]
    children = [line for line in lines if line[2] != "0"]
    assert len(children) == 3
    for _, child, *parents, _, _ in children:
        for h, parent in enumerate(parents):
            own, pair = (
                alleles[:, 2 * at[child] + h],
                alleles[:, 2 * at[parent] : 2 * at[parent] + 2],
            )
            assert (own[:, None] == pair).any(axis=1).all()
    pairs = read_table(data / "truth" / "relatives.tsv")
    [twins] = [row for row in pairs if row["kinship"] == "0.5"]
    first, second = (alleles[:, 2 * at[twins[k]] : 2 * at[twins[k]] + 2]
                     for k in ("individual", "other"))  # fmt: skip
    assert (first == second).all()
    assert read_fam(data / "pedigree.fam").id == panel.individuals.id
    told = {frozenset((row["individual"], row["other"])) for row in pairs}
    assert {frozenset((line[1], parent)) for line in children for parent in line[2:4]} <= told


def test_males_have_one_haplotype_of_the_x(data, tmp_path):
    path = data / "genotypes" / "X.simulated_from_20.vcf.gz"
    prepare(
        variants=path, contig="X", out=tmp_path / "X", options=PrepareOptions(min_mac=1),
        samples=data / "samples.X.tsv",
    )  # fmt: skip
    panel = open_panel(tmp_path / "X", haploids=True)
    males = [sex == "male" for sex in panel.individuals.sex]
    assert panel.haploid.tolist() == males
    for record in cyvcf2.VCF(str(path)):
        assert (record.genotype.array()[:, 1] == -2).tolist() == males


def test_scores_are_those_of_the_file(data):
    weights = read_scoring_file(data / "score" / "score.txt").rows
    assert len(weights) == 50
    panel = open_panel(data / "genotypes" / "20")
    alleles = panel.haplotypes.read(0, len(panel.sites))
    score = np.zeros(len(panel.individuals))
    for w in weights:
        [i] = [
            i for i in np.flatnonzero(panel.sites.position == w.position)
            if {panel.sites.ref[i], panel.sites.alt[i]} == {w.effect_allele, w.other_allele}
        ]  # fmt: skip
        counted = alleles[i] == (w.effect_allele == panel.sites.alt[i])
        score += w.weight * counted.reshape(-1, 2).sum(axis=1)
    told = {r["individual"]: float(r["score"]) for r in read_table(data / "truth" / "score.tsv")}
    assert np.allclose([told[name] for name in panel.individuals.id], score, atol=1e-4)


def test_plink2_reads_genotypes_phenotypes_and_scores(data, tmp_path):
    if (plink2 := shutil.which("plink2")) is None:
        pytest.skip("plink2 is not found")
    subprocess.run(
        [plink2, "--pfile", str(data / "genotypes/20"), "vzs", "--set-all-var-ids", "@:#:$r:$a",
         "--new-id-max-allele-len", "200", "--pheno", str(data / "phenotypes/traits.pheno"),
         "--glm", "allow-no-covars", "--out", str(tmp_path / "out")],
        check=True, capture_output=True,
    )  # fmt: skip
    assert (tmp_path / "out.height.glm.linear").exists()
    assert list(tmp_path.glob("out.disease.glm.logistic*"))


@pytest.mark.parametrize("file", hostile_files(), ids=lambda file: file.name)
def test_hostile_files_do_what_their_table_says(data, tmp_path, file):
    rows = {row["file"]: row for row in read_table(data / "hostile" / "expected.tsv")}
    told = rows[file.name]
    out = tmp_path / "o" / "p"
    done = CliRunner().invoke(
        genoloom,
        ["prepare", "--variants", str(data / "hostile" / file.name), "--contig", told["contig"],
         "--out", str(out)],
    )  # fmt: skip
    code = 2 if isinstance(done.exception, InputError) else done.exit_code
    assert code == int(told["exit_code"]), done.output
    if code:
        assert told["says"] in str(done.exception)
        assert not out.with_suffix(".pgen").exists()
    else:
        rejected = json.loads(out.with_suffix(".summary.json").read_text())["rejected"]
        assert list(rejected) == ([told["says"]] if told["says"] else [])
