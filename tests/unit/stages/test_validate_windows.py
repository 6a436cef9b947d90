"""Windows of a contig that jobs of their own read for validation."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import founder_mosaic, make_panel

from genoloom.config import Config, ValidateOptions
from genoloom.errors import InputError
from genoloom.formats.tables import read_records
from genoloom.panels.comparands import Comparands
from genoloom.stages.validate import Collection, validate
from genoloom.validation.cohorts import compare
from genoloom.validation.reference_values import REFERENCE_VALUES
from genoloom.validation.rows import MetricRow
from genoloom.validation.window_sums import add_sums, sums_of, windows_of

SITES, N = 330, 50  # individuals of each role
WHOLE = ValidateOptions(n_permutations=2, ld_window=50)
WINDOWS = WHOLE.model_copy(update={"window": 110})
ROLES = ["holdout"] * N + ["train"] * N


@pytest.fixture(scope="module")
def comparands() -> Comparands:
    """Two contigs, of three windows and of one."""
    pairs = []
    for sites, contig in ((SITES, "1"), (90, "2")):
        alleles = founder_mosaic(sites, 6 * N, np.random.default_rng(sites), founders=30)
        panels = [make_panel(part, ("AAA", "BBB")) for part in np.split(alleles, [2 * N], axis=1)]
        pairs.append(tuple(replace(p, sites=replace(p.sites, contig=contig)) for p in panels))
    return Comparands(pairs, ROLES)


def write(comparands, folder, options=WINDOWS, **more):
    """Validate; returns the table."""
    folder.mkdir(exist_ok=True)
    out = folder / "fidelity.tsv"
    validate(
        name="some", comparands=comparands, baselines=[], out=out,
        details=folder / "details.json", options=options, seed=5, **more,
    )  # fmt: skip
    return out


def write_parts(comparands, folder, **more):
    """Read each window by itself; returns the files."""
    paths = [folder / f"{k}.safetensors" for k in range(1, 5)]
    for k, path in enumerate(paths, 1):
        validate(
            name="some", comparands=comparands, baselines=[], out=path, details=None,
            options=WINDOWS, seed=5, part=(k, 4), **more,
        )  # fmt: skip
    return paths


@pytest.mark.slow
def test_windows_read_by_jobs_of_their_own_give_the_same_files(comparands, tmp_path):
    alone = write(comparands, tmp_path / "alone")
    shared = write(
        comparands, tmp_path / "shared", parts=write_parts(comparands, tmp_path / "parts")
    )
    for name in ("fidelity.tsv", "details.json", REFERENCE_VALUES):
        assert shared.with_name(name).read_bytes() == alone.with_name(name).read_bytes(), name
    # of another generator, whose real individuals are known
    known = {"reference_values": alone.with_name(REFERENCE_VALUES)}
    parts = write_parts(comparands, tmp_path / "known", **known)
    again = write(comparands, tmp_path / "again", parts=parts, **known)
    assert again.read_bytes() == alone.read_bytes()


@pytest.mark.slow
def test_windows_change_metrics_a_little(comparands, tmp_path):
    """What ends at a window is a part of what is counted; the rest is the same."""
    windows, whole = (
        {(r.metric, r.population, r.bin): r.value for r in read_records(path, MetricRow)
         if r.generator == "some"}
        for path in (
            write(comparands, tmp_path / "windows"),
            write(comparands, tmp_path / "whole", WHOLE),
        )
    )  # fmt: skip
    assert set(whole) <= set(windows)  # more pieces for imputation
    for metric in ("frequency_error", "fst_matrix_error", "aats_holdout", "pca_distance"):
        assert windows[metric, "all", "all"] == pytest.approx(whole[metric, "all", "all"])
    key = ("ld_r2_correlation", "all", "all")
    assert windows[key] == pytest.approx(whole[key], abs=0.02)


def test_sums_of_windows_are_those_of_the_contig(comparands):
    """By arrays that do not depend on borders."""
    synthetic, real = comparands.pairs[0]
    individuals = compare(synthetic.individuals, real.individuals, ROLES, 2, 5)

    def collected(options):
        return Collection(
            Comparands([(synthetic, real)], ROLES), individuals, options, 5, False
        ).read_all("some", [])

    windows, whole = collected(WINDOWS), collected(WHOLE)
    np.testing.assert_array_equal(windows.distance, whole.distance)
    np.testing.assert_array_equal(
        windows.kinship.both_heterozygous, whole.kinship.both_heterozygous
    )
    np.testing.assert_array_equal(np.concatenate(windows.counts), np.concatenate(whole.counts))
    np.testing.assert_allclose(windows.kernel, whole.kernel, rtol=1e-6, atol=1e-4)
    assert windows.copying.model.sites == SITES
    assert windows.windows.windows[10] == 3 * (50 // 10 + 50 // 10 + 1)
    assert len(windows.scan.alleles) <= len(whole.scan.alleles)
    # nothing that is summed is left out: twice the sums are twice as large
    sums = sums_of(whole)
    add_sums(whole, sums)
    twice = sums_of(whole)
    assert set(sums) <= set(twice)
    assert twice["copying.model.sites"] == 2 * SITES
    assert len(whole.counts) == 2 * len([name for name in sums if name.startswith("counts.")])
    np.testing.assert_array_equal(twice["homozygosity.longest"], sums["homozygosity.longest"])


def test_parts_of_others_are_refused(comparands, tmp_path):
    paths = write_parts(comparands, tmp_path / "parts")
    assert (tmp_path / "parts").stat().st_mode & 0o077 == 0
    with pytest.raises(InputError, match="is another window"):
        write(comparands, tmp_path / "mixed", parts=[*paths[1::-1], *paths[2:]])
    others = Comparands(comparands.pairs, ROLES[::-1])
    with pytest.raises(InputError, match="was made of other individuals"):
        write(others, tmp_path / "others", parts=paths)
    with pytest.raises(InputError, match="3 windows"):
        write(comparands, tmp_path / "few", parts=paths[:3])
    with pytest.raises(InputError, match="4 windows"):
        write(comparands, tmp_path / "whole", WHOLE, parts=paths)
    body = paths[0].read_bytes()
    paths[0].write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(InputError, match="is damaged"):
        write(comparands, tmp_path / "spoiled", parts=paths)


def test_windows_are_even_and_cover_all_sites():
    windows = windows_of([300, 149, 151], [3, 1, 2])
    assert [(w.contig, w.start, w.stop) for w in windows] == [
        (0, 0, 100), (0, 100, 200), (0, 200, 300), (1, 0, 149), (2, 0, 75), (2, 75, 151),
    ]  # fmt: skip
    assert [w.before for w in windows] == list(
        np.cumsum([0, *(w.stop - w.start for w in windows)])[:-1]
    )
    sizes = 100, 149, 151, 251
    assert [ValidateOptions().windows(n) for n in sizes] == [1, 1, 1, 1]
    assert [WINDOWS.model_copy(update={"window": 100}).windows(n) for n in sizes] == [1, 1, 2, 3]


def test_the_window_follows_the_scale():
    assert Config(scale={"window": 16384}).validate_.window == 16384
    assert Config(scale={"window": 128}).validate_.window == 2048
    assert Config(scale={"window": 128}, validate={"window": 4096}).validate_.window == 4096
    assert Config().validate_.window is None
