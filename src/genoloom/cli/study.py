"""The commands around a study: `init`, `plan`, `run`, `doctor`, `crate`, `verify`; and `testdata`.
Heavy imports wait until a stage is called.
"""

import click

from genoloom.cli.options import (
    ANY_TOOL,
    DIRECTORY,
    FILE,
    as_list,
    calls,
    default_option,
    files_option,
    logged,
    optional_file,
    reference_option,
    renamed_option,
    samples_option,
    section_options,
    seed_option,
)
from genoloom.privacy_config import Question


@click.command()
@click.argument("directory", type=DIRECTORY)
@renamed_option(
    "--variants",
    "--vcf",
    "variants",
    type=FILE,
    multiple=True,
    callback=as_list,
    help="Phased VCF, BCF or PGEN of your cohort. Repeat.",
)
@reference_option(
    "Reference FASTA, or the sequences to learn when no variants are given.",
    required=False,
    name="fasta",
)
@samples_option("Sheet of samples with populations and sexes.", name="samples")
@optional_file("--map", "Genetic map.", name="genetic_map")
@click.option("--name", default="cohort", show_default=True, help="Name of the panel.")
@click.option("--force", is_flag=True, help="Overwrite a configuration that is there.")
@logged
def init(**given):
    """Write a ready configuration for your own data into DIRECTORY."""
    from genoloom.stages.init import init as stage
    from genoloom.stages.plan import say_verdicts

    stage(**given)
    say_verdicts(given["directory"])


@click.command()
@click.option(
    "-C",
    "--directory",
    type=DIRECTORY,
    help="Directory of a study; its panels and options are used.",
)
@click.option("--panel", help="Only this panel of the study.")
@files_option("--variants", "files", f"Without a study: {ANY_TOOL}")
@samples_option("Sheet of these samples: individual, population.", several=True)
@click.option(
    "--individuals",
    type=click.IntRange(min=2),
    help="Number of training individuals, before there are any files.",
)
@click.option("--sites", type=click.IntRange(min=1), help="Number of sites; needs --individuals.")
@click.option(
    "--megabases",
    type=click.FloatRange(min=0, min_open=True),
    help="Length that the sites cover; with --individuals. Without it sites are taken as unlinked.",
)
@default_option(
    "--holdout",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.5,
    help="Share of the individuals of --variants that will be held out.",
)
@section_options(question=Question)
@optional_file(
    "--budget", "What was measured of the same individuals with noise, as `panel measure` notes it."
)
@optional_file("--ledger", "Earlier releases of the same individuals, as `release` notes them.")
@optional_file("--out", "Also write the plan as JSON.")
@logged
def plan(directory, panel, files, samples, individuals, sites, megabases, holdout, **shared):
    """Compute, before any training, the leak that no faithful release can avoid, and what would
    pass.

    \b
    genoloom plan -C mystudy
    genoloom plan --variants cohort.vcf.gz --samples samples.tsv
    genoloom plan --individuals 1000 --sites 40000 --megabases 63
    """
    from genoloom.stages import plan as stage

    if [directory is not None, bool(files), individuals is not None].count(True) != 1:
        raise click.UsageError("give one of --directory, --variants and --individuals")
    if directory is not None:
        for name, planned in stage.plan_study(directory=directory, panel=panel).items():
            click.echo(f"{name}\n\n{planned.text()}")
        return
    if files:
        planned = stage.plan(files=files, samples=samples, holdout=holdout, **shared)
    elif sites is None:
        raise click.UsageError("--individuals needs --sites")
    else:
        planned = stage.plan_by_numbers(
            individuals=individuals, sites=sites, megabases=megabases, **shared
        )
    click.echo(planned.text(), nl=False)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@default_option(
    "-C",
    "--directory",
    type=DIRECTORY,
    default=".",
    help="Directory of the study, with config/ and results/.",
)
@click.option("--cores", type=click.IntRange(min=1), help="CPU cores to use; all by default.")
@click.option(
    "--profile", type=DIRECTORY, help="Snakemake profile; the shipped default profile otherwise."
)
@click.argument("snakemake_options", nargs=-1, type=click.UNPROCESSED)
def run(directory, cores, profile, snakemake_options):
    """Run the whole workflow; further options go to Snakemake as they are."""
    from genoloom.stages.run import run as stage

    raise SystemExit(
        stage(directory=directory, cores=cores, profile=profile, options=list(snakemake_options))
    )


@click.command()
@click.option(
    "-C",
    "--directory",
    type=DIRECTORY,
    help="Also check the configuration and inputs in this directory.",
)
@logged
def doctor(directory):
    """Say what is installed, which devices there are, and whether the configuration would run."""
    from genoloom.stages.doctor import doctor as stage
    from genoloom.stages.plan import say_verdicts

    stage(directory=directory)
    if directory is not None:
        say_verdicts(directory)


@click.command()
@default_option(
    "-C", "--directory", type=DIRECTORY, default=".", help="Where the workflow has run."
)
@default_option(
    "--licence",
    default="No licence has been stated",
    help="Licence of the results: a text or an address.",
)
@calls("stages.crate:crate")
def crate():
    """Describe a finished run as an RO-Crate: results/ro-crate-metadata.json, with its logs.

    A Provenance Run Crate: jobs, their inputs, outputs and options, with SHA-256.
    """


@click.command()
@click.argument("directory", type=DIRECTORY)
@calls("stages.verify:verify")
def verify():
    """Compare the files in DIRECTORY with the digests that were written with them.

    Results of a run, or a release. Ends with exit code 2 where a file is missing or differs.
    """


@click.command()
@click.argument("directory", type=DIRECTORY)
@default_option(
    "--individuals",
    type=click.IntRange(20, 300),
    default=60,
    help="Real individuals; simulated relatives of some are added.",
)
@seed_option
@calls("pipelines.testdata:testdata")
def testdata():
    """Write a small public data set with truth tables into a new DIRECTORY, in seconds.

    Genotypes (VCF, BCF, PGEN), relatives, an X of haploid males, phenotypes for plink2 and REGENIE,
    a scoring file, and damaged files with what `genoloom prepare` says of them.
    """
