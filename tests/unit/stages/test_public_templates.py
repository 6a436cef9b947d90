"""Mode `public`: nothing of the cohort but its list of sites, and what is typed, reaches the model
or its draws.
"""

import shutil

import numpy as np
import pytest
from helpers import founder_mosaic
from public_individuals import add, cli, write_raw

from genoloom.config import Config
from genoloom.config_files import check_study
from genoloom.errors import InputError
from genoloom.formats.models import read_description
from genoloom.formats.provenance import read_provenance

TINY = ("--block-size", 4, "--width", 8, "--steps", 4, "--temperature", 0.9, "--device", "cpu")
TYPED = ("--size", 12, "--populations", "FIN:2,IBS:1,A:1")
LABELS = ("--populations", "FIN:A,IBS:B")
FILES = ("m.safetensors", "m.json", "s.pgen", "s.bcf", "cohort.tsv")
RECORDS = ("m.provenance.json", "cohort.provenance.json", "s.provenance.json")


@pytest.fixture(scope="module")
def alleles():
    return founder_mosaic(48, 140, np.random.default_rng(2), founders=10)


@pytest.fixture
def study(tmp_path, alleles):
    """40 public individuals, registered."""
    add(tmp_path, write_raw(tmp_path, alleles[:, 60:]))
    return tmp_path


def prepared(folder, alleles, populations=("FIN", "IBS", "A")):
    """A cohort as `prepare` and `split` leave it; all sites of the file are kept."""
    _, vcf, _, sheet = write_raw(folder, alleles, "cohort", populations=populations)
    panel, split = folder / "cohort/20", ("--out", folder / "split.tsv")
    files = ("--variants", vcf, "--samples", sheet, "--contig", 20)
    cli("prepare", *files, "--out", panel, "--min-mac", 0)
    cli("split", "--panel", panel, *split, "--summary", folder / "split.json")
    return panel


def matched(folder, panel, *labels):
    where = ("--folder", folder / "panels", "--contig", 20, "--out", folder / "templates/20")
    cli("panel", "match", "pub", "--panel", panel, *where, *(labels or LABELS))


def make(folder, name):
    """Train on the templates, and draw; the bytes of all that comes out."""
    place = folder / "out" / name
    model = place / "m.safetensors"
    mode = ("--panel", folder / "templates/20", "--privacy-mode", "public", *LABELS)
    kept = ("--history", place / "h.tsv", "--state", place / "state", "--seed", 1)
    cli("train", "copying_network", *mode, "--model", model, *kept, *TINY)
    drawn = ("--model", model, "--out")
    cli("cohort", *drawn, place / "cohort.tsv", *TYPED)
    cli("generate", *drawn, place / "s.bcf", "--cohort", place / "cohort.tsv", "--format", "bcf")
    return [(place / file).read_bytes() for file in (*FILES, *RECORDS)]


def test_no_byte_changes_when_a_private_individual_changes_or_goes(study, alleles):
    """Not even the records: no file of the cohort is an input of model and draws."""
    ours = alleles[:, :60]
    matched(study, prepared(study, ours))
    before = make(study, "before")
    changed = ours.copy()
    changed[:, 2:4] = 1 - changed[:, 2:4]
    for name, cohort in {"changed": changed, "gone": np.delete(ours, [6, 7], axis=1)}.items():
        matched(study, prepared(study, cohort))
        assert make(study, name) == before, name

    place = study / "out/before"
    assert {role.partition("/")[0] for role in read_provenance(place / RECORDS[0]).inputs} == {
        "templates"
    }
    assert set(read_provenance(place / RECORDS[1]).inputs) == {"model"}
    assert set(read_provenance(place / RECORDS[2]).inputs) == {"model", "cohort"}
    description = read_description(place / "m.safetensors", "haplotypes")
    assert description["privacy"] == {"mode": "public"}
    assert description["labels"] == {"FIN": "A", "IBS": "B"}
    assert description["templates"]["kind"] == "public"
    assert "public panel" in description["private"]
    assert str(study) not in (place / "m.json").read_text()
    assert b"FIN" in (place / "cohort.tsv").read_bytes()


def test_draws_are_those_of_the_population_that_stands_for_the_label(study, alleles):
    """The same individuals, asked for by the public panel's own names."""
    matched(study, prepared(study, alleles[:, :60]))
    make(study, "labels")
    place = study / "out/labels"
    sheet = (place / "cohort.tsv").read_text()
    (place / "own.tsv").write_text(sheet.replace("\tFIN\t", "\tA\t").replace("\tIBS\t", "\tB\t"))
    model = ("--model", place / "m.safetensors")
    cli("generate", *model, "--out", place / "own.bcf", "--cohort", place / "own.tsv")
    assert (place / "own.pgen").read_bytes() == (place / "s.pgen").read_bytes()


def test_a_private_model_says_so_and_changes_with_its_individuals(study, alleles):
    def fit(name, cohort):
        panel, place = prepared(study, cohort), study / name
        kept = (
            "--model",
            place / "m.safetensors",
            "--history",
            place / "h",
            "--state",
            place / "s",
        )
        files = ("--panel", panel, "--split", study / "split.tsv")
        cli("train", "copying_network", *files, *kept, *TINY)
        return (place / "m.safetensors").read_bytes()

    before = fit("before", alleles[:, :60])
    description = read_description(study / "before/m.safetensors", "haplotypes")
    assert description["templates"]["kind"] == "private"
    assert "privacy" not in description
    assert "Treat both as private data" in description["private"]
    assert fit("after", 1 - alleles[:, :60]) != before


def test_what_the_mode_lacks_or_does_not_take_is_said(study, alleles):
    panel = prepared(study, alleles[:, :60])
    matched(study, panel)
    kept = [x for flag in ("model", "history", "state") for x in (f"--{flag}", study / f"{flag}.x")]
    public, split = ("--privacy-mode", "public"), ("--split", study / "split.tsv")
    templates = ("--panel", study / "templates/20")
    for given in ((*templates, *public, *split), templates, (*templates, *split, *LABELS)):
        with pytest.raises(InputError, match="split table"):
            cli("train", "copying_network", *given, *kept)
    with pytest.raises(InputError, match="knows no population 'C'"):
        cli("train", "copying_network", *templates, *public, "--populations", "FIN:C", *kept)
    assert not list(study.glob("model*"))
    make(study, "m")
    drawn = ("--model", study / "out/m/m.safetensors", "--out", study / "c.tsv")
    for given in ((), ("--size", 5), ("--populations", "A:1"), split):
        with pytest.raises(InputError, match="knows nothing of the cohort"):
            cli("cohort", *drawn, *given)
    with pytest.raises(InputError, match="knows no population 'C'"):
        cli("cohort", *drawn, "--size", 5, "--populations", "C:1")
    shutil.rmtree(study / "templates")


def test_the_panel_of_a_study_must_be_registered(study):
    sheet = "panel\tcontig\tvariants\nc\t{}\tpublic.vcf.gz\n"
    values = {
        "panels": "panels.tsv",
        "generators": ["copying_network"],
        "privacy": {
            "mode": "public",
            "public_panel": "pub",
            "folder": "panels",
            "size": 10,
            "mix": "A:1",
        },
    }
    for contig, change, message in (
        ("20", {"public_panel": "other"}, "other/panel.json: not found"),
        ("20", {"public_panel": "../x"}, "may hold letters"),
        ("20", {"populations": "FIN:X"}, "knows no population 'X'"),
        ("chr20", {}, "has no contig 'chr20'"),
    ):
        (study / "panels.tsv").write_text(sheet.format(contig))
        changed = values | {"privacy": values["privacy"] | change}
        with pytest.raises(InputError, match=message):
            check_study(changed, "config", study)
    (study / "panels.tsv").write_text(sheet.format("20"))
    check_study(values, "config", study)


def test_the_configuration_asks_for_what_the_mode_needs():
    whole = {
        "generators": ["copying_network"],
        "privacy": {"mode": "public", "public_panel": "pub", "size": 10, "mix": "A:1"},
    }
    assert Config(**whole).privacy.mode == "public"
    for change, message in (
        ({"privacy": {"mode": "public"}}, "privacy.public_panel, privacy.size, privacy.mix"),
        ({"generators": ["gan"]}, "copying_network among the generators"),
        ({"redraw": {"enabled": True}}, "redraw.enabled"),
    ):
        with pytest.raises(ValueError, match=message):
            Config(**(whole | change))
