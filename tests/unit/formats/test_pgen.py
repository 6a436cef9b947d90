"""The panel store round-trips, streams, and refuses damage."""

import numpy as np
import pytest
from helpers import make_individuals, make_sites

from genoloom.errors import InputError
from genoloom.formats.pgen import PanelWriter, open_panel, panel_files
from genoloom.panel import Individuals


@pytest.fixture
def written(tmp_path):
    rng = np.random.default_rng(5)
    alleles = rng.integers(0, 2, (37, 14)).astype(np.int8)
    alleles[rng.random((37, 7)).repeat(2, axis=1) < 0.1] = -1
    alleles[10:20] = abs(alleles[10:20])  # a block without a missing call
    sites = make_sites(37)
    individuals = Individuals(
        [f"P{i}" for i in range(7)],
        ["X", "Y"] * 3 + ["X"],
        ["male", "female", "unknown"] * 2 + ["male"],
        ["f"] + [""] * 6,
        ["U", "V"] * 3 + ["U"],
    )
    with PanelWriter(tmp_path / "20", individuals, "20", 10**6) as writer:
        for start, stop in ((0, 10), (10, 10), (10, 20), (20, 37)):
            writer.append(sites.take(slice(start, stop)), alleles[start:stop])
    return tmp_path / "20", alleles, sites, individuals


def test_round_trip(written):
    prefix, alleles, sites, individuals = written
    panel = open_panel(prefix)
    np.testing.assert_array_equal(panel.haplotypes.read(0, 37), alleles)
    np.testing.assert_array_equal(panel.haplotypes.read(11, 13), alleles[11:13])
    assert panel.sites.keys() == sites.keys()
    assert panel.sites.contig_length == 10**6
    np.testing.assert_allclose(panel.sites.cm, sites.cm, rtol=1e-5)
    assert panel.individuals == individuals


def test_views_read_what_indexing_the_whole_would(written):
    prefix, alleles, _, _ = written
    view = open_panel(prefix).take_individuals([5, 1]).take_sites([2, 3, 30])
    np.testing.assert_array_equal(
        view.haplotypes.read(0, 3), alleles[[2, 3, 30]][:, [10, 11, 2, 3]]
    )
    np.testing.assert_array_equal(view.haplotypes.read(1, 3), alleles[[3, 30]][:, [10, 11, 2, 3]])


def test_damage_is_refused(written):
    prefix, *_ = written
    pgen, pvar, psam = panel_files(prefix)
    whole = pgen.read_bytes()
    pgen.write_bytes(whole[:10])
    with pytest.raises(InputError, match="cut off"):
        open_panel(prefix)
    pgen.write_bytes(whole)
    lines = psam.read_text().splitlines(True)
    psam.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match="individuals"):
        open_panel(prefix)
    psam.write_text("".join(lines))
    pvar.write_bytes(pvar.read_bytes()[:-7])
    with pytest.raises(InputError):
        open_panel(prefix)
    pvar.unlink()
    with pytest.raises(InputError, match="not found"):
        open_panel(prefix)


def write_and_fail(prefix):
    with PanelWriter(prefix, make_individuals(3), "20") as writer:
        writer.append(make_sites(5), np.zeros((5, 6), dtype=np.int8))
        raise RuntimeError("stop")


def write_no_site(prefix):
    with PanelWriter(prefix, make_individuals(3), "20"):
        pass


@pytest.mark.parametrize(
    ("write", "error"), [(write_and_fail, RuntimeError), (write_no_site, InputError)]
)
def test_nothing_is_left_when_writing_fails(tmp_path, write, error):
    with pytest.raises(error):
        write(tmp_path / "20")
    assert not list(tmp_path.iterdir())
