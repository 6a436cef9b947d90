"""The commands that judge synthetic haplotypes, show the result and release it.

Options are named as the parameters of the stages.
"""

import click

from genoloom import config
from genoloom.cli.options import (
    ANY_TOOL,
    DIRECTORY,
    Part,
    as_list,
    as_named_files,
    baselines_option,
    bundle_option,
    calls,
    comparands_options,
    default_option,
    file_option,
    files_option,
    models_option,
    optional_file,
    real_options,
    results_option,
    section_options,
    seed_option,
    threads_option,
)

label_option = default_option(
    "--name", default="synthetic", help="Name of the synthetic data in the tables."
)


def _shown(flag: str, name: str, what: str):
    return click.option(
        flag, name, multiple=True, callback=as_list, help=f"{what} to show. Repeat."
    )


@click.command()
@label_option
@comparands_options
@baselines_option
@file_option("--out", "Fidelity table to write.")
@optional_file("--details", "Data of the report's plots to write (JSON).", former="--figures")
@optional_file(
    "--reference-values",
    "reference_values.json next to the table of another generator of the same panel, seed and "
    "options: the real individuals are not measured again.",
)
@click.option(
    "--part",
    type=Part(),
    help="Read only this window of all those of --window, such as 2/4, and write its sums to "
    "--out, a .safetensors for --parts. They hold haplotypes of real individuals.",
)
@files_option("--parts", "parts", "Sums written by --part, in order; only they are read. Repeat.")
@seed_option
@section_options(options=config.ValidateOptions)
@calls("stages.validate:validate", opens=True)
def validate():
    """Compare synthetic haplotypes with held-out real ones, by population genetics.

    The real individuals come either as the workflow's files (--panel, --split), or as files of any
    tool (--train, --holdout).
    """


@click.command()
@click.option(
    "--number",
    type=click.IntRange(min=0),
    required=True,
    help="Number of the shadow model within the audit, from 0 on.",
)
@comparands_options
@models_option
@file_option("--out", "File of private scores to write; its directory is closed to others.")
@click.option(
    "--state",
    type=DIRECTORY,
    help="Directory of checkpoints, so that a stopped job can be resumed.",
)
@seed_option
@threads_option
@section_options(options=config.AuditOptions)
@calls("stages.shadow:shadow", opens=True)
def shadow():
    """Make one shadow model of an audit: the generator trained anew on half of the real
    individuals.

    Seed and options must be the same as of the audit, which reads the file with --shadow.
    """


@click.command()
@label_option
@comparands_options
@baselines_option
@models_option
@files_option(
    "--shadow",
    "shadows",
    "What `genoloom shadow` has written, in the order of its numbers; without any they are made "
    "here. Repeat.",
)
@file_option("--out", "Private table to write; its directory is closed to others.")
@optional_file("--public", "Table of verdicts and intervals that may be shown.")
@optional_file("--leak", "Limits of the leak and what it follows from, for the report (JSON).")
@seed_option
@section_options(options=config.AuditOptions)
@calls("stages.audit:audit", opens=True)
def audit():
    """Measure what synthetic haplotypes reveal about the individuals the model was trained on.

    The real individuals come either as the workflow's files (--panel, --split), or as files of any
    tool (--train, --holdout).
    """


@click.command()
@real_options
@click.option(
    "--generator",
    "generators",
    multiple=True,
    required=True,
    metavar="NAME=FILE",
    callback=as_named_files,
    help=f"Synthetic individuals: {ANY_TOOL}",
)
@click.option(
    "--labels",
    multiple=True,
    metavar="NAME=SHEET",
    callback=as_named_files,
    help="Sheet of the synthetic individuals of one generator: individual, population.",
)
@default_option("--baselines/--no-baselines", default=True, help="Also make and judge baselines.")
@click.option(
    "--out",
    type=DIRECTORY,
    required=True,
    help="Directory for tables, private audits and the report.",
)
@seed_option
@section_options(validate_options=config.ValidateOptions, audit_options=config.AuditOptions)
@calls("pipelines.compare:compare")
def compare():
    """Put several generators, of any tool, into one table and one report, with baselines.

    \b
    genoloom compare --train train.bcf --holdout holdout.bcf --samples samples.tsv \\
        --generator ours=20.vcf.gz --generator theirs=hapnest.bed --out comparison
    """


@click.command()
@results_option
@click.option("--panel", required=True, help="Panel, by name.")
@click.option("--generator", required=True, help="Generator, by name.")
@bundle_option
@optional_file(
    "--sheet", "Sheet of panels: the raw input is compared with what the panel was made from."
)
@click.option(
    "--public-panels",
    type=DIRECTORY,
    help="Folder of registered public panels, for data in mode public.",
)
@section_options(options=config.ReleaseOptions)
@calls("pipelines.release:release")
def release():
    """Bundle synthetic data when the gate passes; else list every reason and exit with code 3."""


@click.command()
@results_option
@_shown("--panel", "panels", "Panel")
@_shown("--generator", "generators", "Haplotype generator")
@_shown("--sequence-set", "sequence_sets", "Sequence set")
@_shown("--sequence-generator", "sequence_generators", "Sequence generator")
@file_option("--out", "HTML file to write.")
@click.option(
    "--comparison", is_flag=True, help="Show what `genoloom panel compare` wrote of each panel."
)
@click.option("--utility", is_flag=True, help="Show the utility of each haplotype generator.")
@click.option("--effects", is_flag=True, help="Show treatment effects of planted trials.")
@click.option("--star-alleles", is_flag=True, help="Show star alleles of pharmacogenes.")
@calls("stages.report:report")
def report():
    """Write the public report: one HTML file that works offline."""
