"""Public panels: registered whole or not at all, and matched with a cohort."""

import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers import founder_mosaic, make_individuals, make_sites
from public_individuals import add, cli, write_raw

from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel
from genoloom.formats.provenance import read_provenance
from genoloom.formats.public_panels import read_public_panel
from genoloom.panel import Individuals, Sites
from genoloom.panels.public_panels import related_to
from genoloom.stages.public_match import match_panel

N_SITES = 60


@pytest.fixture(scope="module")
def alleles():
    return founder_mosaic(N_SITES, 120, np.random.default_rng(3), founders=12)


def test_a_panel_is_registered_listed_and_shown(tmp_path, alleles):
    folder = ["--folder", tmp_path / "panels"]
    assert "No public panel" in cli("panel", "list", *folder)
    add(tmp_path, write_raw(tmp_path, alleles[:, :80]))
    record = read_public_panel(tmp_path / "panels/pub")
    assert record.populations == {"A": 20, "B": 20}
    assert set(record.raw) == {"variants/1", "samples"}
    panel = open_panel(tmp_path / "panels/pub/20")
    assert record.contigs["20"].sites == len(panel.sites)
    assert cli("panel", "list", *folder).startswith("pub: 40 individuals of 2 populations")
    shown = cli("panel", "show", "pub", *folder)
    for text in ("source: a project, release 1", "terms: open", "A 20, B 20", "contig 20: "):
        assert text in shown
    assert [path.name for path in (tmp_path / "panels").iterdir()] == ["pub"]


def test_what_is_wrong_is_said_and_nothing_is_registered(tmp_path, alleles):
    files = write_raw(tmp_path, alleles[:, :80])
    add(tmp_path, files)
    before = (tmp_path / "panels/pub/panel.json").read_bytes()
    for more, message in (
        ({}, "is there already"),
        ({"name": "a/b"}, "may hold letters"),
        ({"name": "x", "terms": " "}, "--terms: is empty"),
        ({"name": "x", "contig": "21"}, "holds no records of contig '21'"),
        ({"name": "x", "samples": tmp_path / "none.tsv"}, "not found"),
    ):
        with pytest.raises(InputError, match=message):
            add(tmp_path, files, **more)
    with pytest.raises(InputError, match="one file per contig"):
        add(tmp_path, [*files, "--vcf", tmp_path / "public.vcf.gz"], name="x")
    assert (tmp_path / "panels/pub/panel.json").read_bytes() == before
    assert [path.name for path in (tmp_path / "panels").iterdir()] == ["pub"]


def test_another_reference_is_another_build(tmp_path, alleles):
    (tmp_path / "ref.fa").write_text(">20\n" + "G" * 100000 + "\n")
    with pytest.raises(InputError, match="reference"):
        add(tmp_path, write_raw(tmp_path, alleles[:, :80]), reference=tmp_path / "ref.fa")
    assert not list((tmp_path / "panels").iterdir())


def test_a_changed_file_is_found(tmp_path, alleles):
    add(tmp_path, write_raw(tmp_path, alleles[:, :80]))
    place = tmp_path / "panels/pub"
    with open(place / "20.psam", "a") as table:
        table.write("somebody\n")
    with pytest.raises(InputError, match=r"20\.psam: is not the file that was registered"):
        cli("panel", "show", "pub", "--folder", tmp_path / "panels")
    (place / "20.psam").unlink()
    with pytest.raises(InputError, match=r"20\.psam: not found"):
        cli("panel", "show", "pub", "--folder", tmp_path / "panels")
    (place / "panel.json").write_text("{}")
    with pytest.raises(InputError, match="is no record of a public panel"):
        cli("panel", "list", "--folder", tmp_path / "panels")
    with pytest.raises(InputError, match="not found"):
        cli("panel", "show", "other", "--folder", tmp_path / "panels")


def write_cohort(prefix, alleles, sites=None, ids=None, populations=("A", "B")):
    individuals = make_individuals(alleles.shape[1] // 2, populations)
    individuals = Individuals(ids or individuals.id, individuals.population, individuals.sex)
    with PanelWriter(prefix, individuals, "20", 100000) as writer:
        writer.append(sites or make_sites(len(alleles)), alleles)
    return prefix


def match(folder, cohort, out="t/20", **more):
    match_panel(
        **{
            "name": "pub", "folder": folder / "panels", "panels": [cohort], "contig": "20",
            "out": folder / out, **more,
        }
    )  # fmt: skip
    return open_panel(folder / out), json.loads((folder / f"{out}.match.json").read_text())


@pytest.fixture
def registered(tmp_path, alleles):
    """Public individuals 0 to 39 of the alleles, with every site."""
    add(tmp_path, write_raw(tmp_path, alleles[:, :80]), **{"min-mac": 0})
    return tmp_path


def test_sites_are_matched_and_accounted_for(registered, alleles):
    sites = make_sites(N_SITES)
    ref, alt, position = sites.ref.copy(), sites.alt.copy(), sites.position.copy()
    position[:5] += 7  # only the cohort has them
    alt[5:8] = "G"  # other alleles
    ref[8], alt[8] = "C", "A"  # the same site, turned
    sites = Sites("20", position, ref, alt, sites.id, sites.cm, 10**6)
    ours = alleles[:, 80:].copy()
    ours[8] = 1 - ours[8]
    templates, account = match(registered, write_cohort(registered / "c", ours, sites))
    assert account["shared"] == N_SITES - 8
    assert account["only_cohort"] == account["only_panel"] == 8
    assert (account["other_alleles"], account["swapped"]) == (3, 1)
    assert account["individuals"] == "40 individuals"
    assert account["individuals_left_out"] == "no individuals"
    expected = alleles[8:, :80].copy()
    expected[0] = 1 - expected[0]
    assert (templates.haplotypes.read(0, N_SITES - 8) == expected).all()
    record = read_provenance(registered / "t/20.provenance.json")
    assert set(record.inputs) == {
        f"{role}/{name}"
        for role, names in (
            ("panel", ("c.pgen", "c.pvar.zst", "c.psam")),
            ("public", ("20.pgen", "20.pvar.zst", "20.psam", "panel.json")),
        )
        for name in names
    }


def test_panels_of_two_builds_are_refused(registered, alleles):
    """No position in common, or positions by chance, whose alleles are others."""
    sites, ours = make_sites(N_SITES), alleles[:, 80:]
    alt = sites.alt.copy()
    alt[:40] = "G"
    by_chance = replace(sites, alt=alt)
    for sites, message in (
        (make_sites(N_SITES, gap=77), "0 of 60 sites of the cohort are there; at 0 further"),
        (by_chance, "20 of 60 sites of the cohort are there; at 40 further shared positions"),
    ):
        with pytest.raises(InputError, match=message):
            match(registered, write_cohort(registered / "c", ours, sites))
    assert not (registered / "t").exists()


def test_a_population_needs_a_counterpart(registered, alleles):
    cohort = write_cohort(registered / "c", alleles[:, 80:], populations=("A", "C"))
    with pytest.raises(InputError, match="has no population 'C'"):
        match(registered, cohort)
    with pytest.raises(InputError, match="knows no population 'X'"):
        match(registered, cohort, populations="C:X")
    for text in ("C", "C:B,C:A", ":B"):
        with pytest.raises(InputError, match="is not understood"):
            match(registered, cohort, populations=text)
    match(registered, cohort, populations="C:B")


def test_nobody_of_the_cohort_is_a_template(registered, alleles, caplog):
    """Somebody of the public panel is in the cohort under another name, somebody else under
    his own with other genotypes.
    """
    caplog.set_level(logging.INFO)
    ours = np.concatenate([alleles[:, 80:], alleles[:, 6:8]], axis=1)
    ids = [f"c{i}" for i in range(20)] + ["twin"]
    ids[4] = "public9"
    templates, account = match(registered, write_cohort(registered / "c", ours, ids=ids))
    assert set(f"public{i}" for i in range(40)) - set(templates.individuals.id) == {
        "public3",
        "public9",
    }
    assert account["individuals_left_out"] == "1 to 20 individuals"
    said = caplog.text + json.dumps(account)
    assert "1 to 20 individuals are in the cohort, or close relatives" in said
    assert not [name for name in [*ids, "public3"] if name in said]
    copied = open_panel(registered / "c")
    panel = open_panel(registered / "panels/pub/20")
    assert np.flatnonzero(related_to([copied], [panel])).tolist() == [3, 9]


def test_frequencies_far_apart_are_warned_of(registered, alleles, caplog):
    ours = alleles[:, 80:].copy()
    ours[:10] = 1 - ours[:10]
    match(registered, write_cohort(registered / "c", ours))
    assert "allele frequencies differ by more than 0.2" in caplog.text


def test_a_panel_of_the_cohort_itself_is_no_public_one(tmp_path, alleles):
    add(tmp_path, write_raw(tmp_path, alleles[:, :80]))
    shutil.copytree(tmp_path / "panels/pub", tmp_path / "c")
    with pytest.raises(InputError, match="nobody of population 'A' is left"):
        match(tmp_path, tmp_path / "c/20")


def test_the_shipped_panel_is_what_its_files_give(demo_dir, tmp_path):
    shipped = demo_dir / "public_panels/eur203"
    record = read_public_panel(shipped)
    given = {"reference": "GRCh37.chr20_1-2Mb.fa.gz", "map": "chr20.b37.gmap.gz"}
    more = {key: demo_dir / name for key, name in given.items()}
    more |= {"source": record.source, "terms": record.terms, "allow-unphased": "drop-individuals"}
    vcf, sheet = demo_dir / "eur203_mixedphase.chr20_1-2Mb.vcf.gz", demo_dir / "samples_eur203.tsv"
    add(tmp_path, ["--vcf", vcf, "--samples", sheet], "eur203", **more)
    made = tmp_path / "panels/eur203"
    assert read_public_panel(made).raw == record.raw
    for name in ("20.pgen", "20.psam"):  # the other one is as the compressor's version has it
        assert (made / name).read_bytes() == (shipped / name).read_bytes(), name
    assert open_panel(made / "20").sites.digest() == open_panel(shipped / "20").sites.digest()
    assert "as they were registered" in cli("panel", "show", "eur203", "--folder", shipped.parent)
