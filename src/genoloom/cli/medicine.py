"""The commands of personalised medicine. Heavy imports wait until a stage is called."""

import click

from genoloom.cli.options import (
    ANY_TOOL,
    PREFIX,
    calls,
    comparands_options,
    file_option,
    files_option,
    optional_file,
    samples_option,
    section_options,
    seed_option,
)
from genoloom.medicine_config import TrialOptions, UtilityOptions

_BUILD = click.Choice(["GRCh37", "GRCh38"])


@click.command()
@files_option("--variants", "variants", ANY_TOOL, required=True)
@samples_option("Sheet of these samples: individual, population, sex.", several=True)
@optional_file("--traits", "Trait sheet (TOML, YAML): draw effects.")
@file_option("--effects", "Effects (JSON): written with --traits, else taken.")
@click.option("--out", type=PREFIX, required=True, help="Prefix of the tables to write.")
@seed_option
@calls("stages.phenotypes:phenotypes")
def phenotypes():
    """Give individuals phenotypes with known genetic effects: plink2 and REGENIE files.

    \b
    genoloom phenotypes --variants train.bcf --traits traits.toml --effects effects.json --out train
    genoloom phenotypes --variants synthetic.vcf.gz --effects effects.json --out synthetic
    """


@click.command("treatment-effects")
@comparands_options
@click.option("--build", type=_BUILD, help="Genome build of all files, for CYP2C19.")
@file_option("--out", "Table of scores to write.")
@optional_file("--summary", "Also write options, variants and frequencies (JSON).")
@seed_option
@section_options(options=TrialOptions)
@calls("stages.treatment_effects:treatment_effects")
def treatment_effects():
    """Learn individual treatment effects from synthetic individuals; judge them on real ones.

    The trial is planted: CYP2C19 diplotypes change what one of two antiplatelet treatments does.
    Files must hold CYP2C19, on contig 10; or the variant that --modifier plants in its place.
    """


@click.command("trial-table")
@file_option("--table", "Cohort: individual, covariates, treatment (0/1), outcome.")
@file_option("--split", "Who trains; the rows of others are not looked at.")
@click.option("--treatment", required=True, help="Column of the treatment.")
@click.option("--outcome", required=True, help="Column of the outcome: numbers, or 0 and 1.")
@click.option("--individuals", type=click.IntRange(1), help="As many as trained otherwise.")
@file_option("--out", "Table of synthetic individuals to write.")
@seed_option
@calls("stages.trial_table:trial_table")
def trial_table():
    """Learn a cohort table of your own, and draw a synthetic one: P(X) P(T | X) P(Y | X, T).

    \b
    genoloom trial-table --table cohort.tsv --split split.tsv --treatment drug --outcome response \\
        --out synthetic.tsv

    Covariates are numbers, genotype scores for example, or categories. Nothing is audited.
    """


@click.command("star-alleles")
@comparands_options
@click.option("--build", type=_BUILD, required=True, help="Genome build of all files.")
@click.option("--genes", help="Names, separated by commas; all that the files have otherwise.")
@file_option("--out", "Table of metrics to write.")
@optional_file("--calls", "Also write the alleles of each synthetic individual.")
@calls("stages.star_alleles:star_alleles")
def star_alleles():
    """Call star alleles of pharmacogenes, and compare synthetic individuals with real
    ones.

    \b
    genoloom star-alleles --train train.bcf --holdout holdout.bcf --samples samples.tsv \\
        --synthetic synthetic.vcf.gz --build GRCh38 --out star_alleles.tsv

    Genes whose alleles need copy numbers, such as CYP2D6, are out of reach.
    """


@click.command()
@comparands_options
@file_option("--out", "Table of metrics to write.")
@optional_file("--details", "Also write the data of the report's plots (JSON).", former="--figures")
@files_option(
    "--model", "models", "Model that imputes by itself next to the panels. Repeat for each contig."
)
@seed_option
@section_options(options=UtilityOptions)
@calls("stages.utility:utility", opens=True)
def utility():
    """Do daily work with synthetic haplotypes, and with real ones: imputation, association,
    polygenic scores, ancestry.

    \b
    genoloom utility --train train.bcf --holdout holdout.bcf --samples samples.tsv \\
        --synthetic synthetic.vcf.gz --out utility.tsv

    Traits are planted. Each metric is next to that of as many real individuals.
    """
