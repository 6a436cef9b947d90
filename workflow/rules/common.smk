"""
Helpers only: the checked configuration, the sheets, and what rules ask of them.
"""

import hashlib
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# a checkout works without being installed; a workflow fetched from elsewhere uses the installed
# package
SOURCE = Path(str(workflow.current_basedir)).parent.parent / "src"
if SOURCE.is_dir():
    sys.path.insert(0, str(SOURCE))

from genoloom import config_files
from genoloom.errors import GenoLoomError
from genoloom.formats.plink_tables import raw_files
from genoloom.formats.tables import read_table
from genoloom.formats.trait_sheets import read_trait_sheet
from genoloom.formats.variant_index import made_together
from genoloom.models import haplotype, sequence
from genoloom.seeds import derive_seed

# what rules call `genoloom`. Without --sdm it is run by the interpreter that runs Snakemake,
# whether or not its environment is activated. `exec` lets a signal reach the command and not a
# shell that waits for it.
python = "python" if workflow.deployment_settings.deployment_method else sys.executable


def escape_braces(text):
    """Text that is the same after Snakemake has formatted it."""
    return text.replace("{", "{{").replace("}", "}}")


# a checkout may be anywhere: its path is quoted for the shell, and braces are doubled, as the
# prefix is formatted with each command
prefix = ['genoloom() { exec %s -m genoloom "$@"; }; ' % shlex.quote(python)]
if SOURCE.is_dir():
    prefix.insert(
        0, 'export PYTHONPATH=%s"${PYTHONPATH:+:$PYTHONPATH}"; ' % shlex.quote(str(SOURCE))
    )
shell.prefix(escape_braces("".join(prefix)))

# as a module with a prefix, all that the study reads and writes is below that prefix
study_directory = Path(workflow.modifier.path_modifier.replace_prefix("."))

try:
    study = config_files.check_study(config, "configuration", study_directory)
except GenoLoomError as error:
    raise WorkflowError(str(error)) from None

settings, panel_rows, sequence_rows = study.config, study.panels, study.sequence_sets
panels = sorted({row.panel for row in panel_rows})
sequence_sets = [row.set for row in sequence_rows]
generators = [*settings.baselines, *settings.generators] if panels else []
sequence_generators = [*sequence.BASELINES, *settings.sequence_generators] if sequence_sets else []
variants_suffix = settings.generate.format


# columns of the sheets that name files, and options of `genoloom prepare` and `sequences prepare`
PANEL_FILES = ("variants", "samples", "reference", "map")
SEQUENCE_FILES = ("source", "regions")


def any_of(names):
    """A regular expression of these very names; of nothing when there are none."""
    return "|".join(re.escape(name) for name in sorted(set(names))) or "(?!)"


wildcard_constraints:
    panel=any_of(panels),
    contig=any_of(row.contig for row in panel_rows),
    set=any_of(sequence_sets),
    generator=any_of(haplotype.GENERATORS),
    sequence_generator=any_of(sequence.GENERATORS),
    number=r"\d+",
    jobs=r"\d+",


def get_panel_row(wildcards):
    """The sheet's row of a panel and contig."""
    return lookup_row(panel_rows, panel=wildcards.panel, contig=wildcards.contig)


def lookup_row(rows, **values):
    return next(r for r in rows if all(getattr(r, k) == v for k, v in values.items()))


def get_contigs(panel):
    return [row.contig for row in panel_rows if row.panel == panel]


def get_panel_inputs(wildcards):
    """Files of a panel's contig that the sheet names, by the name of their option; and the tables
    of a .pgen.
    """
    return inputs_of_row(get_panel_row(wildcards))


def inputs_of_row(row):
    named = {name: getattr(row, name) for name in PANEL_FILES if getattr(row, name)}
    files = raw_files(study_directory / row.variants)
    tables = [
        str(Path(row.variants).with_name(file.name))
        for role, file in files.items()
        if role != "variants"
    ]
    return named | {"tables": tables}


def get_raw_inputs(wildcards):
    """Files that the sheet names for any contig of a panel."""
    found = [inputs_of_row(row) for row in panel_rows if row.panel == wildcards.panel]
    return sorted({path for named in found for path in [*named.pop("tables"), *named.values()]})


def get_records(wildcards):
    """The records of provenance between the raw input and the fidelity table; that of the audit is
    its own output.
    """
    places = [
        "results/panels/{panel}/{contig}",
        "results/splits/{panel}",
        "results/models/{panel}/{generator}/{contig}",
        "results/synthetic/{panel}/{generator}/cohort",
        "results/synthetic/{panel}/{generator}/{contig}",
        "results/validation/{panel}/{generator}/fidelity",
    ] + (["results/synthetic/{panel}/{generator}/cohort.drawn"] if settings.redraw.enabled else [])
    return each_contig([f"{place}.provenance.json" for place in places])(wildcards)


def file_flags(wildcards, input):
    """The options of the files that a sheet names, which are inputs by the option's name."""
    named = (*PANEL_FILES, *SEQUENCE_FILES)
    return " ".join(
        f"--{name} {shlex.quote(path)}" for name, path in input.items() if name in named
    )


def get_region(wildcards):
    region = get_panel_row(wildcards).region
    return f"--region {region}" if region else ""


def get_sequence_row(wildcards):
    return lookup_row(sequence_rows, set=wildcards.set)


def get_sequence_inputs(wildcards):
    row = get_sequence_row(wildcards)
    return {name: getattr(row, name) for name in SEQUENCE_FILES if getattr(row, name)}


def each_contig(pattern):
    """An input function: files of every contig of a panel, whichever contig a job is about."""

    def get_files(wildcards):
        contigs = {"contig": get_contigs(wildcards.panel)}
        return expand(pattern, **dict(wildcards.items()) | contigs)

    return get_files


def pgens_of(prefix):
    """An input function: the three files of every contig's PGEN."""
    return each_contig([f"{prefix}/{{contig}}{suffix}" for suffix in PGEN_SUFFIXES])


PGEN_SUFFIXES = (".pgen", ".pvar.zst", ".psam")
get_panel_pgens = pgens_of("results/panels/{panel}")
get_synthetic_pgens = pgens_of("results/synthetic/{panel}/{generator}")
get_synthetic_variants = each_contig(
    f"results/synthetic/{{panel}}/{{generator}}/{{contig}}.{variants_suffix}"
)
get_models = each_contig("results/models/{panel}/{generator}/{contig}.safetensors")


def get_released_consensus(wildcards):
    """Personal FASTA to release, where asked for and where the sheet names a reference."""
    if not settings.release.consensus or settings.consensus.individuals == 0:
        return []
    return [
        f"results/synthetic/{row.panel}/{wildcards.generator}/{row.contig}.consensus.fa.gz"
        for row in panel_rows
        if row.panel == wildcards.panel and row.reference
    ]


def get_releases():
    """A bundle of each learned generator."""
    return expand(
        "results/release/{panel}/{generator}", panel=panels, generator=settings.generators
    )


def get_shadows(wildcards):
    """What the shadow models of a learned generator score, where their number is asked for."""
    number = settings.audit.shadow_models
    if wildcards.generator in haplotype.BASELINES or of_public_individuals(wildcards):
        number = 0
    if number == "auto":  # costs minutes or is none: not worth jobs of their own
        return []
    return [
        f"results/private/{wildcards.panel}/{wildcards.generator}/shadow/{k}.safetensors"
        for k in range(number)
    ]


def get_first_model(wildcards):
    """The cohort needs any model of the generator; all contigs know the same populations."""
    contig = get_contigs(wildcards.panel)[0]
    return f"results/models/{wildcards.panel}/{wildcards.generator}/{contig}.safetensors"


def get_baselines(table):
    """The baselines' tables, shown with the table of a learned generator; a baseline has none."""

    def baselines(wildcards):
        if wildcards.generator in haplotype.BASELINES:
            return []
        return [
            f"results/validation/{wildcards.panel}/{baseline}/{table}"
            for baseline in settings.baselines
        ]

    return baselines


def get_reference_values(wildcards):
    """What real individuals score, as the validation of the panel's first generator finds it."""
    if wildcards.generator == generators[0]:
        return []
    return [f"results/validation/{wildcards.panel}/{generators[0]}/reference_values.json"]


def get_sequence_baselines(table):
    """An input function: a table of every baseline, which has no baselines itself."""

    def baselines(wildcards):
        if wildcards.sequence_generator in sequence.BASELINES:
            return []
        return [
            f"results/validation/sequences/{wildcards.set}/{baseline}/{table}"
            for baseline in sequence.BASELINES
        ]

    return baselines


motifs = settings.validate_sequences.motifs
# where the option names a file and not words
motif_files = [motifs] if motifs and (study_directory / motifs).is_file() else []


def get_consensus_targets():
    """Personal FASTA of the learned generators, where the sheet names a reference."""
    if settings.consensus.individuals == 0:
        return []
    return [
        f"results/synthetic/{row.panel}/{generator}/{row.contig}.consensus.fa.gz"
        for row in panel_rows
        if row.reference
        for generator in settings.generators
    ]


def phenotype_tables(prefix):
    """What `genoloom phenotypes` writes in addition to the effects."""
    suffixes = (".pheno", ".covar", ".regenie.pheno", ".regenie.covar", ".truth.tsv")
    return [prefix + suffix for suffix in suffixes]


def get_phenotype_targets():
    """Phenotypes of every generator, where the configuration names a trait sheet."""
    if not settings.phenotypes.traits:
        return []
    return expand(
        "results/synthetic/{panel}/{generator}/phenotypes.pheno",
        panel=panels,
        generator=generators,
    )


def get_utility_targets():
    """Utility, treatment effects and star alleles of every generator, where the configuration
    asks for them.
    """
    tables = ["utility.tsv", "utility.json"] if settings.utility.enabled else []
    tables += ["effects.tsv"] if settings.treatment_effects.enabled else []
    tables += ["star_alleles.tsv"] if settings.star_alleles.enabled else []
    return expand(
        "results/validation/{panel}/{generator}/{table}",
        panel=panels,
        generator=generators,
        table=tables,
    )


def get_trait_files():
    """Files that the trait sheet names, as the workflow finds them."""
    sheet = Path(settings.phenotypes.traits)
    try:
        traits = read_trait_sheet(study_directory / sheet).traits
    except GenoLoomError as error:
        raise WorkflowError(str(error)) from None
    named = {trait.causal.file or trait.causal.score for trait in traits}
    return [str(sheet.parent / name) for name in sorted(filter(None, named))]


# what is judged next to data of public individuals
COMPARISON = "results/validation/{panel}/comparison"


def compares_with_public():
    """Whether there are data in mode `public` or `statistics`, to show public individuals with."""
    asked = settings.privacy.mode != "none" and bool(settings.privacy.compared)
    return asked and "copying_network" in generators


def get_report_inputs(wildcards):
    models = [
        f"results/models/{row.panel}/{generator}/{row.contig}{suffix}"
        for row in panel_rows
        for generator in generators
        for suffix in MODEL_TABLES
    ]
    models += expand(
        "results/models/sequences/{set}/{generator}{suffix}",
        set=sequence_sets,
        generator=sequence_generators,
        suffix=MODEL_TABLES,
    )
    haplotypes = expand(
        "results/validation/{panel}/{generator}/{table}",
        panel=panels,
        generator=generators,
        table=["fidelity.tsv", "details.json", "privacy.tsv", "leak.json"],
    )
    if compares_with_public():
        tables = [f"{COMPARISON}/{name}" for name in ("fidelity.tsv", "privacy.tsv")]
        haplotypes += expand(tables, panel=panels)
    sequences = expand(
        "results/validation/sequences/{set}/{generator}/{table}",
        set=sequence_sets,
        generator=sequence_generators,
        table=["fidelity.tsv", "details.json", "privacy.tsv"],
    )
    return models + haplotypes + sequences + get_utility_targets()


def prefixes(flag):
    """A parameter function: the flag once for each .pgen of the input of its name, without the
    suffix.
    """

    def render(wildcards, input):
        found = [path for path in input[flag.lstrip("-")] if path.endswith(".pgen")]
        return " ".join(f"{flag} {shlex.quote(path.removesuffix('.pgen'))}" for path in found)

    return render


def each(flag, name, suffix=""):
    """A parameter function: the flag once for each file of the input `name` that ends so."""

    def render(wildcards, input):
        found = input.get(name, [])
        files = [found] if isinstance(found, str) else found
        return " ".join(f"{flag} {shlex.quote(path)}" for path in files if path.endswith(suffix))

    return render


def job_seed(stage, of=None):
    """A parameter function: the job's own seed, from the configured one, the stage and its
    wildcards; only those of the names `of` where jobs share a seed.
    """

    def render(wildcards):
        own = wildcards if of is None else [wildcards[name] for name in of]
        return derive_seed(settings.seed, stage, *own) % 2**31

    return render


# what validation sums in one of several windows; among it are haplotypes of real individuals
WINDOW_SUMS = "results/private/{panel}/{generator}/windows/{number}of{jobs}.safetensors"


def get_window_sums(wildcards):
    """What jobs of their own sum for validation, where any contig has several windows."""
    contigs, jobs = get_contigs(wildcards.panel), 0
    for contig in contigs if settings.validate_.window else []:
        [size] = read_table(checkpoints.size_contig.get(contig=contig, **wildcards).output.size)
        jobs += settings.validate_.windows(int(size["sites"]))
    numbers = range(1, jobs + 1) if jobs > len(contigs) else []
    return expand(WINDOW_SUMS, number=numbers, jobs=jobs, **wildcards)


# what one of several jobs makes of the individuals of a contig
PART = "results/synthetic/{panel}/{generator}/parts/{contig}.{number}of{jobs}"


def shared(section, suffix, individuals=None):
    """
    An input function: what jobs of their own make of the individuals (of the first `individuals`,
    where that is given), where several share them.
    """

    def get_parts(wildcards):
        jobs = section.jobs or 1
        if section.jobs is None and settings.scale.window:
            [size] = read_table(checkpoints.size_contig.get(**wildcards).output.size)
            drawn = int(size["individuals"])
            jobs = settings.scale.jobs(int(size["sites"]), min(individuals or drawn, drawn))
        numbers = range(1, jobs + 1) if jobs > 1 else []
        return expand(PART + suffix, number=numbers, jobs=jobs, **wildcards)

    return get_parts


def may_be_shared(section):
    """Whether jobs may share the individuals."""
    return (section.jobs or 1) > 1 or (section.jobs is None and settings.scale.window)


# options of an audit that its shadow models do not depend on
AUDIT_ONLY = ("bootstrap", "max_auc", "max_excess", "recipient")
audit_seed = job_seed("audit", of=["panel", "generator"])  # its shadow models share it
