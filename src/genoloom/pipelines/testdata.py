"""A small data set with truth tables, for tests of any program: cut from the public demo data."""

import logging
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from genoloom import __version__
from genoloom.config import PrepareOptions
from genoloom.errors import InputError
from genoloom.evidence.bundle import MANIFEST
from genoloom.formats.models import file_digest
from genoloom.formats.pgen import open_panel, write_panel
from genoloom.formats.tables import write_table
from genoloom.formats.vcf_write import write_variants
from genoloom.panel import ArrayHaplotypes, Individuals, Panel, join_individuals
from genoloom.pipelines.hostile_records import write_hostile
from genoloom.ploidy import LENGTHS, Ploidy
from genoloom.programs.snakemake import ROOT
from genoloom.seeds import derive_seed
from genoloom.stages.phenotypes import phenotypes
from genoloom.stages.prepare import prepare

log = logging.getLogger(__name__)

REGION = 1_000_001, 1_200_000  # of chromosome 20, GRCh37
TO_X = 2_000_000  # base pairs that sites are moved by, past the first pseudo-autosomal region
WEIGHTS = 50
TRAITS = """# of `genoloom phenotypes`
build = "GRCh37"

[covariates]
age = {mean = 55, sd = 10}

[[traits]]
name = "height"
heritability = 0.6
causal = {number = 20, min_maf = 0.05}
mean = 170
sd = 7
covariates = {sex = -0.4}
missing = 0.05

[[traits]]
name = "disease"
type = "binary"
heritability = 0.4
prevalence = 0.3
causal = {number = 20, min_maf = 0.05}
"""
README = """# A test data set

Made by `genoloom testdata` {version}, seed {seed}. The same seed gives the same bytes.
`MANIFEST.sha256` lists every file: `genoloom verify .` or `sha256sum -c MANIFEST.sha256`.

| place | what it is |
|---|---|
| `genotypes/20.vcf.gz`, `20.bcf`, `20.pgen` | {founders} real individuals under other names and \
{children} simulated relatives of them, phased: {sites} sites of chromosome 20, 1.0-1.2 Mb, GRCh37 |
| `genotypes/X.simulated_from_20.vcf.gz`, `.pgen` | the real individuals at the same sites as an \
X outside the pseudo-autosomal regions: **simulated from chromosome 20**, {shift} base pairs \
further on; males have one haplotype. REF is not the base of X |
| `samples.tsv`, `samples.X.tsv`, `pedigree.fam` | population, sex and family, of all and of \
the ones of X; parents of the simulated children |
| `truth/relatives.tsv` | planted pairs and their kinship by descent; all others are as related \
as the individuals of 1000 Genomes are |
| `phenotypes/traits.pheno`, `.covar`, `.regenie.*` | a quantitative and a binary trait, \
planted, in the forms of plink2 and REGENIE |
| `phenotypes/traits.truth.tsv`, `truth/effects.json` | what the traits were made from |
| `score/score.txt`, `truth/score.tsv` | a scoring file in the form of the PGS Catalog with \
drawn weights, and what each individual scores |
| `hostile/*`, `hostile/expected.tsv` | files that are damaged or unusual, and what `genoloom \
prepare` does with each |

Traits and weights are drawn and mean nothing clinically. Kinship by genotypes cannot be estimated
on so few sites; the pairs are there for programs that read pedigrees or compare duplicates.

Genotypes: 1000 Genomes Project phase 3, Nature 526:68 (2015), doi:10.1038/nature15393, as packaged
in Debian `shapeit4-example` (MIT); available without embargo, to be cited. Everything else here may
be used without conditions (CC0-1.0). Do not try to re-identify anyone.
"""


def testdata(*, directory: Path, individuals: int, seed: int) -> None:
    """Write the data set into a new directory; `README.md` there says what is what.

    Parameters
    ----------
    individuals : int
        Real individuals, 20 to 300.

    Raises
    ------
    InputError
        The directory has files already, or the demo data are not next to the package.
    """
    demo = ROOT / "resources" / "demo"
    if not demo.is_dir():
        raise InputError(
            "genoloom testdata",
            "the demo data are not next to the installed package",
            remedy="install from a checkout (pip install -e .)",
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(directory, "is there already", remedy="give a new directory")
    directory.absolute().parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=".testdata-", dir=directory.absolute().parent))
    try:
        _fill(part, demo, individuals, seed)
        part.chmod(0o755)
        with suppress(FileNotFoundError):
            directory.rmdir()
        os.replace(part, directory)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    log.info("%s written: see README.md there", directory)


def _fill(place: Path, demo: Path, n: int, seed: int) -> None:
    rng = np.random.default_rng(derive_seed(seed, "testdata"))
    founders = _founders(demo, n, rng)
    family, pairs, parents = _relatives(founders, rng)
    for name in ("genotypes", "truth", "phenotypes", "score"):
        (place / name).mkdir()
    genotypes = place / "genotypes"
    _write(genotypes / "20", family, (".vcf.gz", ".bcf"), seed)
    _write(genotypes / "X.simulated_from_20", _as_x(founders), (".vcf.gz",), seed)
    individuals = family.individuals
    _write_samples(place / "samples.tsv", individuals)
    _write_samples(place / "samples.X.tsv", founders.individuals)
    code = {"male": "1", "female": "2"}
    (place / "pedigree.fam").write_text(
        "".join(
            f"{group or name}\t{name}\t{father}\t{mother}\t{code[sex]}\t-9\n"
            for name, sex, group, (father, mother) in zip(
                individuals.id, individuals.sex, individuals.family, parents, strict=True
            )
        )
    )
    columns = ["individual", "other", "relationship", "kinship"]
    rows = [dict(zip(columns, pair, strict=True)) for pair in pairs]
    write_table(place / "truth" / "relatives.tsv", columns, rows)
    (place / "phenotypes" / "traits.toml").write_text(TRAITS)
    phenotypes(
        variants=[genotypes / "20.pgen"], effects=place / "truth" / "effects.json",
        out=place / "phenotypes" / "traits", traits=place / "phenotypes" / "traits.toml",
        samples=[place / "samples.tsv"], seed=derive_seed(seed, "traits"),
    )  # fmt: skip
    for path in place.rglob("*"):  # simulated: closed to nobody
        path.chmod(0o755 if path.is_dir() else 0o644)
    _write_score(place, family, rng)
    write_hostile(place / "hostile")
    (place / "README.md").write_text(
        README.format(
            version=__version__, seed=seed, founders=n, children=len(individuals) - n,
            sites=len(family.sites), shift=f"{TO_X:,}",
        )
    )  # fmt: skip
    files = sorted(path for path in place.rglob("*") if path.is_file())
    (place / MANIFEST).write_text(
        "".join(f"{file_digest(path)}  {path.relative_to(place)}\n" for path in files)
    )


def _founders(demo: Path, n: int, rng: np.random.Generator) -> Panel:
    """Real individuals under other names, half of each sex as far as there are, in memory."""
    with tempfile.TemporaryDirectory() as scratch:
        prefix = Path(scratch) / "20"
        prepare(
            variants=demo / "eur300.chr20_1-2Mb.vcf.gz", contig="20", out=prefix,
            options=PrepareOptions(), samples=demo / "samples.tsv",
            reference=demo / "GRCh37.chr20_1-2Mb.fa.gz", genetic_map=demo / "chr20.b37.gmap.gz",
            region=REGION,
        )  # fmt: skip
        whole = open_panel(prefix)
        chosen = whole.take_individuals(np.sort(rng.permutation(len(whole.individuals))[:n]))
        alleles = chosen.haplotypes.read(0, len(chosen.sites))
    alternate = (alleles == 1).sum(axis=1)
    varies = np.minimum(alternate, 2 * n - alternate) >= 1
    individuals = chosen.individuals
    named = Individuals(
        [f"TEST{i + 1:04d}" for i in range(n)], individuals.population, individuals.sex, [""] * n
    )
    return Panel(chosen.sites.take(varies), named, ArrayHaplotypes(alleles[varies]))


def _relatives(
    founders: Panel, rng: np.random.Generator
) -> tuple[Panel, list[tuple[str, str, str, float]], list[tuple[str, str]]]:
    """The founders and simulated relatives of some of them; the pairs; father and mother of
    everybody.
    """
    alleles = founders.haplotypes.alleles
    individuals, cm = founders.individuals, founders.sites.cm
    couples = _couples(individuals)
    family = list(individuals.family)
    children, columns, pairs = [], [], []
    for number, (father, mother, size) in enumerate(couples, 1):
        names = []
        family[father] = family[mother] = f"FAMILY{number}"
        for _ in range(size):
            name = f"CHILD{len(children) + 1:02d}"
            sex = ("male", "female")[int(rng.integers(2))]
            children.append((name, individuals.population[father], sex, f"FAMILY{number}"))
            columns += [_gamete(alleles, parent, cm, rng) for parent in (father, mother)]
            pairs += [(individuals.id[p], name, "parent and child", 0.25) for p in (father, mother)]
            pairs += [(other, name, "siblings", 0.25) for other in names]
            names.append(name)
    twin = next(i for i in range(len(individuals)) if not family[i])
    family[twin] = "TWINS"
    children.append(("TWIN01", individuals.population[twin], individuals.sex[twin], "TWINS"))
    columns += [alleles[:, 2 * twin], alleles[:, 2 * twin + 1]]
    pairs.append((individuals.id[twin], "TWIN01", "duplicate or identical twin", 0.5))
    relatives = Individuals(*(list(column) for column in zip(*children, strict=True)))
    everybody = join_individuals(replace(individuals, family=family), relatives)
    parents = [("0", "0")] * len(individuals) + [
        (individuals.id[father], individuals.id[mother]) for father, mother, size in couples
        for _ in range(size)
    ] + [("0", "0")]  # fmt: skip
    joined = np.concatenate([alleles, np.stack(columns, axis=1)], axis=1)
    return Panel(founders.sites, everybody, ArrayHaplotypes(joined)), pairs, parents


def _couples(individuals: Individuals) -> list[tuple[int, int, int]]:
    """(father, mother, children) of one population: a trio, and a family of two children."""
    couples, used = [], set()
    for size in (1, 2):
        couples.append(
            next(
                (i, j, size)
                for i in range(len(individuals))
                for j in range(len(individuals))
                if (individuals.sex[i], individuals.sex[j]) == ("male", "female")
                and individuals.population[i] == individuals.population[j]
                and not {i, j} & used
            )
        )
        used |= set(couples[-1][:2])
    return couples


def _gamete(
    alleles: np.ndarray, parent: int, cm: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A haplotype that a parent hands down: crossovers are a Poisson process on the map (Haldane
    1919).
    """
    places = np.sort(rng.uniform(cm[0], cm[-1], rng.poisson((cm[-1] - cm[0]) / 100)))
    strand = (rng.integers(2) + np.searchsorted(places, cm)) % 2
    return alleles[np.arange(len(cm)), 2 * parent + strand]


def _as_x(founders: Panel) -> Panel:
    """Their chromosome 20 as an X outside the pseudo-autosomal regions."""
    sites = replace(
        founders.sites, contig="X", position=founders.sites.position + TO_X,
        id=np.array(["."] * len(founders.sites), dtype=object),
        cm=np.full(len(founders.sites), np.nan), contig_length=LENGTHS["GRCh37"]["X"],
        ploidy=Ploidy.X_LINKED,
    )  # fmt: skip
    alleles = founders.haplotypes.alleles.copy()
    males = np.flatnonzero(sites.ploidy.haploid(founders.individuals.sex))
    alleles[:, 2 * males + 1] = alleles[:, 2 * males]
    return replace(founders, sites=sites, haplotypes=ArrayHaplotypes(alleles))


def _write(prefix: Path, panel: Panel, suffixes: tuple[str, ...], seed: int) -> None:
    """The PGEN trio of a panel, and files of variants."""
    write_panel(prefix, panel, len(panel.sites))
    for suffix in suffixes:
        header = {"version": __version__, "seed": seed}
        write_variants(Path(f"{prefix}{suffix}"), panel, header, kind="testdata")


def _write_samples(path: Path, individuals: Individuals) -> None:
    columns = ["individual", "population", "sex", "family"]
    rows = zip(
        individuals.id, individuals.population, individuals.sex, individuals.family, strict=True
    )
    write_table(path, columns, [dict(zip(columns, row, strict=True)) for row in rows])


def _write_score(place: Path, panel: Panel, rng: np.random.Generator) -> None:
    """A scoring file with drawn weights, and the scores."""
    alleles, sites = panel.haplotypes.read(0, len(panel.sites)), panel.sites
    frequency = alleles.mean(axis=1)
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) > 0.05)
    chosen = np.sort(rng.choice(common, WEIGHTS, replace=False))
    weight = rng.normal(size=WEIGHTS).round(4)
    counts_ref = rng.random(WEIGHTS) < 0.5  # the allele that is counted is not always the alternate
    lines = [
        "###PGS CATALOG SCORING FILE", "#format_version=2.0", "#pgs_id=PGSTEST",
        "#pgs_name=drawn weights", "#trait_reported=none", "#genome_build=GRCh37",
        f"#variants_number={WEIGHTS}", "#weight_type=beta",
        "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight",
    ]  # fmt: skip
    for i, w, ref in zip(chosen.tolist(), weight.tolist(), counts_ref.tolist(), strict=True):
        effect, other = (sites.ref[i], sites.alt[i]) if ref else (sites.alt[i], sites.ref[i])
        lines.append(f"20\t{sites.position[i]}\t{effect}\t{other}\t{w}")
    (place / "score" / "score.txt").write_text("\n".join(lines) + "\n")
    dosage = alleles[chosen, 0::2] + alleles[chosen, 1::2].astype(np.int64)
    dosage = np.where(counts_ref[:, None], 2 - dosage, dosage)
    rows = [
        {"individual": name, "score": f"{score:.4f}"}
        for name, score in zip(panel.individuals.id, weight @ dosage, strict=True)
    ]
    write_table(place / "truth" / "score.tsv", ["individual", "score"], rows)
