"""The release of contigs on which individuals are haploid."""

import gzip
import json

import pytest
import released_tree as tree
from helpers import read_fasta

from genoloom.formats.pgen import open_panel
from genoloom.formats.tables import read_table
from genoloom.pipelines.release import release
from genoloom.ploidy import Ploidy
from genoloom.privacy_config import ReleaseOptions


@pytest.mark.parametrize("ploidy", [Ploidy.X_LINKED, Ploidy.Y_LINKED])
def test_haploid_individuals_leave_as_they_were_audited(tmp_path, monkeypatch, ploidy):
    tree.write_raw(tmp_path, ploidy=ploidy)
    tree.prepare_panel(tmp_path, ploidy)
    tree.divide(tmp_path)
    tree.fit(tmp_path)
    tree.make_individuals_of(tmp_path, size=60)
    tree.sample(tmp_path)
    tree.write_fasta(tmp_path)
    tree.measure(tmp_path)
    results = tmp_path / "results"
    compared = json.loads((results / tree.PRIVATE / "audit.json").read_text())["facts"]
    # real individuals are audited as they are, and not two by two
    audited = read_table(results / tree.PRIVATE / "individuals.tsv")
    assert len(audited) == 2 * compared["individuals_per_role"]
    assert {row["individual"] for row in audited} <= set(tree.NAMES)
    groups = {row["population"] for row in audited}
    both = {f"{name}, {kind}" for name in "XY" for kind in ("haploid", "diploid")}
    assert groups == (both if ploidy is Ploidy.X_LINKED else {"X", "Y"})

    monkeypatch.setitem(tree.WORST, "n", compared["individuals_per_role"])
    tree.write_tables(results)
    out = results / f"release/p/{tree.NAME}"
    release(
        results=results, panel="p", generator=tree.NAME, out=out,
        options=ReleaseOptions(consensus=True), sheet=tmp_path / "panels.tsv",
    )  # fmt: skip
    made, released = (
        open_panel(place / "20", haploids=True) for place in (results / tree.MADE, out)
    )
    assert released.sites.ploidy is ploidy
    assert (released.haplotypes.read(0, 50) == made.haplotypes.read(0, 50)).all()
    rows = read_table(out / "samples.tsv")
    males = {row["individual"] for row in rows if row["sex"] == "male"}
    assert 0 < len(males) < 60
    assert (len(rows) == len(males)) == (ploidy is Ploidy.Y_LINKED)  # females have no Y
    lines = gzip.decompress((out / "20.vcf.gz").read_bytes()).decode().splitlines()
    names = next(line for line in lines if line.startswith("#CHROM")).split("\t")[9:]
    calls = lines[-1].split("\t")[9:]
    assert {n for n, call in zip(names, calls, strict=True) if call in ("0", "1")} == males
    fasta = read_fasta(out / "20.consensus.fa.gz")
    assert len(fasta) == sum(1 if row["individual"] in males else 2 for row in rows[:2])
