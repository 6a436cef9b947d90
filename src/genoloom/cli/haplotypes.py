"""The commands that make synthetic haplotypes, and those that use a trained model on other data.

Options are named as the parameters of the stages.
"""

from collections.abc import Callable

import click

from genoloom import config, training_config
from genoloom.cli.options import (
    PREFIX,
    OrderedGroup,
    Part,
    calls,
    default_option,
    file_option,
    files_option,
    history_option,
    logged,
    model_option,
    optional_file,
    panels_option,
    reference_option,
    region_option,
    renamed_option,
    samples_option,
    section_options,
    seed_option,
    split_option,
    state_option,
    threads_option,
)
from genoloom.config_section import Section

OF_THE_MODEL = "Phased VCF(.gz), BCF or PLINK 2 .pgen with the model's contig."

cohort_option = file_option("--cohort", "Cohort sheet.")


@click.command()
@file_option("--variants", "VCF(.gz), BCF or PLINK 2 .pgen.")
@click.option("--contig", required=True, help="Contig to take, as named in the file.")
@click.option(
    "--out",
    type=PREFIX,
    required=True,
    help="Prefix of the panel's files, such as results/panels/demo/20.",
)
@samples_option("Sheet of samples: individual, population, sex, family.")
@reference_option("FASTA to check REF against.", required=False)
@optional_file("--map", "Genetic map.", name="genetic_map")
@region_option
@section_options(options=config.PrepareOptions)
@calls("stages.prepare:prepare")
def prepare():
    """Turn a phased VCF, BCF or PGEN into a panel, and account for every record."""


@click.command()
@panels_option
@file_option("--out", "Split table to write.")
@file_option("--summary", "Summary of the panel to write (JSON).")
@seed_option
@section_options(options=config.SplitOptions)
@calls("stages.split:split")
def split():
    """Divide the individuals into a training half and a holdout, by family and population."""


@click.group(cls=OrderedGroup)
def train():
    """Train a haplotype generator, each generator by a command of its own."""


def _privacy_options(command: Callable) -> Callable:
    """What `copying_network` has alongside: its data may be made from public individuals alone."""
    for option in (
        optional_file(
            "--statistics", "In mode statistics, what `genoloom panel measure` has written."
        ),
        click.option(
            "--populations",
            help="In modes public and statistics, populations of the public panel that represent "
            "the populations of the cohort: IBS:TSI,FIN:CEU.",
        ),
        default_option(
            "--privacy-mode",
            type=click.Choice(["none", "public", "statistics"]),
            default="none",
            help="public, statistics: --panel is what `genoloom panel match` has written, and "
            "there is no --split.",
        ),
        optional_file("--split", "Split table, in mode none."),
    ):
        command = option(command)
    return command


def _windows_options(command: Callable) -> Callable:
    """What a generator has alongside that can be trained window by window, in jobs of their own."""
    for option in (
        click.option(
            "--only-window",
            type=click.IntRange(min=1),
            help="Train this window alone, and leave it in the state directory: a training of the "
            "contig with the same options then finds it done.",
        ),
        optional_file("--list-windows", "Write a table of the windows, and train nothing."),
        split_option,
    ):
        command = option(command)
    return command


BESIDES = {"copying_network": _privacy_options, "transformer": _windows_options}


def _add_train(name: str, options_class: type[Section]) -> None:
    @train.command(name, help=options_class.__doc__)
    @click.option("--panel", type=PREFIX, required=True, help="Panel prefix.")
    @BESIDES.get(name, split_option)
    @model_option
    @history_option
    @state_option
    @seed_option
    @threads_option
    @section_options(common=training_config.TrainOptions, options=options_class)
    @calls("stages.train:train", generator=name)
    def command():
        pass


for _name, _field in training_config.TrainSections.model_fields.items():
    if _name != "common":
        _add_train(_name, _field.annotation)


@click.command()
@model_option
@optional_file("--split", "Split table, in privacy mode none.")
@file_option("--out", "Cohort sheet to write.")
@seed_option
@section_options(options=config.CohortOptions)
@calls("stages.cohort:make_cohort")
def cohort():
    """Make the sheet of synthetic individuals: the same individuals for every contig."""


@click.command()
@files_option(
    "--model", "models", "Model file (.safetensors). Repeat for each contig.", required=True
)
@cohort_option
@panels_option
@split_option
@file_option("--out", "Cohort sheet to write: the same individuals, some with other seeds.")
@file_option("--summary", "How many were redrawn (JSON).")
@threads_option
@section_options(options=config.RedrawOptions)
@calls("stages.redraw:redraw")
def redraw():
    """Give another seed to synthetic individuals who come too close to a training individual.

    Comes before `generate`. Needs the training individuals: run it where the real data are. The
    option --enabled is for the workflow and changes nothing here.
    """


@click.command()
@model_option
@cohort_option
@file_option("--out", "Synthetic .vcf.gz or .bcf to write; a PGEN trio is written next to it.")
@click.option(
    "--part",
    type=Part(),
    help="Draw only this part of the individuals, such as 2/4, and write it to --out, a "
    ".safetensors for --parts.",
)
@files_option("--parts", "parts", "Parts drawn by --part, in order; nothing is drawn. Repeat.")
@click.option(
    "--size",
    is_flag=True,
    help="Write a table of how many sites and individuals there are to --out; nothing is drawn.",
)
@seed_option
@threads_option
@section_options(options=config.GenerateOptions)
@logged
def generate(part, parts, size, **given):
    """Sample the haplotypes of a cohort on one contig.

    The option --jobs is for the workflow and changes nothing here.
    """
    from genoloom.stages.generate import generate as stage
    from genoloom.stages.generate import generate_part, write_size

    if [bool(part), bool(parts), size].count(True) > 1:
        raise click.UsageError("--part, --parts and --size exclude each other")
    if size:
        write_size(**{name: given[name] for name in ("model", "cohort", "out")})
    elif part:
        generate_part(part=part, **given)
    else:
        stage(parts=parts, **given)


@click.command()
@file_option(
    "--variants", "VCF(.gz) or BCF of one contig; diploid calls phased, haploid ones as they are."
)
@reference_option("FASTA that the VCF was called against.")
@click.option(
    "--out", type=PREFIX, required=True,
    help="Personal FASTA to write (.fa.gz, with .fai and .gzi); with --regions a directory.",
)  # fmt: skip
@renamed_option(
    "--individuals",
    "--people",
    name="individuals",
    type=click.IntRange(min=1),
    help="Only the first N individuals.",
)
@optional_file(
    "--chain", "UCSC chains to write, for lifting coordinates from the reference to each haplotype."
)
@optional_file("--regions", "BED of intervals: one FASTA of all haplotypes for each.")
@region_option
@click.option("--part", type=Part(), help="Only this part of the individuals, such as 2/4.")
@files_option("--parts", "parts", "FASTA files of --part, in order, to put together. Repeat.")
@threads_option
@logged
def consensus(regions, region, chain, part, parts, **given):
    """Write personal haplotype sequences, as `bcftools consensus` does, in one pass."""
    from genoloom.stages.consensus import consensus as stage
    from genoloom.stages.consensus import consensus_of_regions
    from genoloom.stages.gather_consensus import gather

    if (part or parts) and (regions or chain or (part and parts)):
        raise click.UsageError("--part and --parts exclude each other, --regions and --chain")
    if parts:
        names = ("variants", "out", "individuals")
        gather(**{name: given[name] for name in names}, parts=parts)
    elif regions is None:
        stage(**given, region=region, chain=chain, part=part)
    elif region or chain:
        raise click.UsageError("--regions goes with neither --region nor --chain")
    else:
        consensus_of_regions(**given, regions=regions)


@click.command()
@model_option
@file_option("--variants", OF_THE_MODEL)
@file_option("--out", "Table to write: one row per haplotype. It names individuals.")
@samples_option("Sheet of samples, for their populations.")
@optional_file("--blocks", "Also write a table with one row per haplotype and block.")
@optional_file(
    "--switch-errors",
    "Also write the log-odds of switch errors, by individual and boundary between blocks.",
    former="--switches",
)
@threads_option
@calls("stages.score:score")
def score():
    """Compute the log-likelihood of phased individuals: novelty, contamination, switch errors."""


@click.command()
@model_option
@file_option("--variants", OF_THE_MODEL)
@file_option("--out", "Completed .vcf.gz or .bcf to write, at the sites of the model.")
@samples_option("Sheet of samples, for their populations.")
@optional_file("--scores", "Also write the log-likelihood of what was known of each haplotype.")
@default_option(
    "--particles",
    type=click.Choice([1, 2, 4, 8, 16, 32, 64, 128]),
    default=16,
    help="More are nearer to the exact conditional distribution, and slower; 1 ignores what comes "
    "later on the contig.",
)
@seed_option
@threads_option
@calls("stages.impute:impute")
def impute():
    """Impute missing calls and sites of phased individuals: one draw, and dosages."""
