"""The command line: parse, call a stage, set the exit code. Heavy imports wait until a stage is
called.
"""

import click

from genoloom import __version__, config, training_config
from genoloom.cli_medicine import MEDICINE_COMMANDS
from genoloom.cli_options import (
    ANY_TOOL,
    DIRECTORY,
    FILE,
    PREFIX,
    as_named_files,
    comparands_options,
    controls_option,
    file_option,
    history_option,
    logged,
    model_option,
    models_option,
    real_options,
    region_option,
    run_and_exit,
    section_options,
    seed_option,
    state_option,
    threads_option,
)
from genoloom.cli_sequences import sequences
from genoloom.cli_study import STUDY_COMMANDS
from genoloom.config_section import Section


def _files(flag: str, name: str, help: str):
    return click.option(flag, name, type=FILE, multiple=True, required=True, help=help)


def _prefixes(flag: str, name: str, help: str):
    return click.option(flag, name, type=PREFIX, multiple=True, required=True, help=f"{help} Repeat for each contig.")


panels_option = _prefixes("--panel", "panels", "Panel prefix, such as results/panels/demo/20.")
split_option = file_option("--split", "Split table.")
label_option = click.option(
    "--name", default="synthetic", show_default=True, help="What to call the synthetic data in the tables."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="genoloom")
def genoloom():
    """Synthetic genotypes and DNA sequences, validated by population genetics."""


@genoloom.command()
@file_option("--variants", "VCF(.gz), BCF or PLINK 2 .pgen.")
@click.option("--contig", required=True, help="Contig to take, as named in the file.")
@click.option("--out", type=PREFIX, required=True, help="Prefix of the panel's files, such as results/panels/demo/20.")
@file_option("--people", "Sheet of people: person, population, sex, family.", required=False)
@file_option("--reference", "FASTA to check REF against.", required=False)
@file_option("--map", "Genetic map.", required=False)
@region_option
@section_options(config.PrepareOptions)
@logged
def prepare(variants, contig, out, people, reference, map, region, sections):
    """Turn a phased VCF, BCF or PGEN into a panel; account for every record."""
    from genoloom.stages.prepare import prepare as stage

    [options] = sections
    stage(
        variants=variants,
        contig=contig,
        out=out,
        options=options,
        people=people,
        reference=reference,
        genetic_map=map,
        region=region,
    )


@genoloom.command()
@panels_option
@file_option("--out", "Split table to write.")
@file_option("--summary", "Summary of the panel to write (JSON).")
@seed_option
@section_options(config.SplitOptions)
@logged
def split(panels, out, summary, seed, sections):
    """Divide the people into a training half and a holdout, by family and population."""
    from genoloom.stages.split import split as stage

    [options] = sections
    stage(panels=list(panels), out=out, summary=summary, options=options, seed=seed)


@genoloom.group()
def train():
    """Train a haplotype generator."""


def _add_train(name: str, options_class: type[Section]) -> None:
    @train.command(name, help=options_class.__doc__)
    @click.option("--panel", type=PREFIX, required=True, help="Panel prefix.")
    @split_option
    @model_option
    @history_option
    @state_option
    @seed_option
    @threads_option
    @section_options(training_config.TrainOptions, options_class)
    @logged
    def command(panel, split, model, history, state, seed, threads, sections):
        from genoloom.stages.train import train as stage

        common, options = sections
        stage(
            generator=name,
            panel=panel,
            split=split,
            model=model,
            history=history,
            state=state,
            common=common,
            options=options,
            seed=seed,
            threads=threads,
        )


for _name, _field in training_config.TrainSections.model_fields.items():
    if _name != "common":
        _add_train(_name, _field.annotation)


@genoloom.command()
@model_option
@split_option
@file_option("--out", "Cohort sheet to write.")
@seed_option
@section_options(config.CohortOptions)
@logged
def cohort(model, split, out, seed, sections):
    """Make the sheet of synthetic people: the same people for every contig."""
    from genoloom.stages.cohort import make_cohort

    [options] = sections
    make_cohort(model=model, split=split, out=out, options=options, seed=seed)


@genoloom.command()
@_files("--model", "models", "Model file (.safetensors). Repeat for each contig.")
@file_option("--cohort", "Cohort sheet.")
@panels_option
@split_option
@file_option("--out", "Cohort sheet to write: the same people, some with other seeds.")
@file_option("--summary", "How many were redrawn (JSON).")
@threads_option
@section_options(config.RedrawOptions)
@logged
def redraw(models, cohort, panels, split, out, summary, threads, sections):
    """Give synthetic people who come too close to a training person another seed, before
    `generate`.

    Needs the training people: run it where the real data are. The option --enabled is for the
    workflow and changes nothing here.
    """
    from genoloom.stages.redraw import redraw as stage

    [options] = sections
    stage(
        models=list(models),
        cohort=cohort,
        panels=list(panels),
        split=split,
        out=out,
        summary=summary,
        options=options,
        threads=threads,
    )


@genoloom.command()
@model_option
@file_option("--cohort", "Cohort sheet.")
@file_option("--out", "Synthetic .vcf.gz or .bcf to write; a PGEN trio is written beside it.")
@seed_option
@threads_option
@section_options(config.GenerateOptions)
@logged
def generate(model, cohort, out, seed, threads, sections):
    """Sample the haplotypes of a cohort on one contig."""
    from genoloom.stages.generate import generate as stage

    [options] = sections
    stage(model=model, cohort=cohort, out=out, options=options, seed=seed, threads=threads)


@genoloom.command()
@model_option
@file_option("--variants", "Phased VCF(.gz), BCF or PLINK 2 .pgen with the model's contig.")
@file_option("--out", "Table to write: one row a haplotype. It names people.")
@file_option("--people", "Sheet of people, for their populations.", required=False)
@file_option("--blocks", "Also write a table with one row a haplotype and block.", required=False)
@file_option("--switches", "Also write the log-odds of switch errors, one row a person and place between blocks.", required=False)
@threads_option
@logged
def score(model, variants, out, people, blocks, switches, threads):
    """Log-likelihood of phased people under a model: novelty, contamination, switch errors."""
    from genoloom.stages.score import score as stage

    stage(model=model, variants=variants, out=out, people=people, blocks=blocks, switches=switches, threads=threads)


@genoloom.command()
@model_option
@file_option("--variants", "Phased VCF(.gz), BCF or PLINK 2 .pgen with the model's contig.")
@file_option("--out", "Completed .vcf.gz or .bcf to write, at the sites of the model.")
@file_option("--people", "Sheet of people, for their populations.", required=False)
@file_option("--scores", "Also write the log-likelihood of what was known of each haplotype.", required=False)
@click.option(
    "--particles",
    type=click.Choice([1, 2, 4, 8, 16, 32, 64, 128]),
    default=16,
    show_default=True,
    help="More are nearer to the exact conditional distribution, and slower; 1 ignores what comes later on the contig.",
)
@seed_option
@threads_option
@logged
def complete(model, variants, out, people, scores, particles, seed, threads):
    """Fill in missing calls and sites of phased people: a draw given what is known, and dosages."""
    from genoloom.stages.complete import complete as stage

    stage(model=model, variants=variants, out=out, people=people, scores=scores, particles=particles, seed=seed, threads=threads)


@genoloom.command()
@file_option("--variants", "VCF(.gz) or BCF of one contig; diploid calls phased, haploid ones as they are.")
@file_option("--reference", "FASTA that the VCF was called against.")
@click.option(
    "--out", type=PREFIX, required=True, help="Personal FASTA to write (.fa.gz, with .fai and .gzi); with --regions a directory."
)
@click.option("--people", type=click.IntRange(min=1), help="Only the first so many people.")
@file_option("--chain", "Coordinate-lift table to write: UCSC chains from the reference to every haplotype.", required=False)
@file_option("--regions", "BED of intervals: one FASTA of all haplotypes for each.", required=False)
@region_option
@threads_option
@logged
def consensus(variants, reference, out, people, chain, regions, region, threads):
    """Write personal haplotype sequences, as `bcftools consensus` does, for many people in one
    pass.
    """
    from genoloom.stages.consensus import consensus as stage
    from genoloom.stages.consensus import consensus_of_regions

    shared = {"variants": variants, "reference": reference, "out": out, "people": people, "threads": threads}
    if regions is None:
        stage(**shared, region=region, chain=chain)
    elif region or chain:
        raise click.UsageError("--regions goes with neither --region nor --chain")
    else:
        consensus_of_regions(**shared, regions=regions)


@genoloom.command()
@label_option
@comparands_options
@controls_option
@file_option("--out", "Fidelity table to write.")
@file_option("--figures", "Data of the report's figures to write (JSON).", required=False)
@seed_option
@section_options(config.ValidateOptions)
@logged
def validate(name, comparands, controls, out, figures, seed, sections):
    """Compare synthetic haplotypes with held-out real people, beside the floor and the controls.

    The real people come either as the workflow's files (--panel, --split), or as files of any tool
    (--train, --holdout).
    """
    from genoloom.stages.inputs import open_comparands, source_files
    from genoloom.stages.validate import validate as stage

    [options] = sections
    with open_comparands(**comparands) as opened:
        stage(
            name=name, comparands=opened, controls=list(controls), out=out, figures=figures, options=options, seed=seed,
            sources=source_files(**comparands),
        )  # fmt: skip


@genoloom.command()
@label_option
@comparands_options
@controls_option
@models_option
@click.option(
    "--shadow",
    "shadows",
    type=FILE,
    multiple=True,
    help="What `genoloom shadow` has written, in the order of its numbers; without any they are made here. Repeat.",
)
@file_option("--out", "Private table to write; its directory is closed to others.")
@file_option("--public", "Table of verdicts and intervals that may be shown.", required=False)
@file_option("--leak", "Limits of the leak and what it follows from, for the report (JSON).", required=False)
@seed_option
@section_options(config.AuditOptions)
@logged
def audit(name, comparands, controls, models, shadows, out, public, leak, seed, sections):
    """Measure what synthetic haplotypes reveal about the people the model was trained on.

    The real people come either as the workflow's files (--panel, --split), or as files of any tool
    (--train, --holdout).
    """
    from genoloom.stages.audit import audit as stage
    from genoloom.stages.inputs import open_comparands, source_files

    [options] = sections
    with open_comparands(**comparands) as opened:
        stage(
            name=name,
            comparands=opened,
            controls=list(controls),
            out=out,
            public=public,
            leak=leak,
            options=options,
            seed=seed,
            sources=source_files(**comparands),
            models=list(models),
            shadows=list(shadows),
        )


@genoloom.command()
@click.option("--number", type=click.IntRange(min=0), required=True, help="Which of the shadow models of the audit, from 0 on.")
@comparands_options
@models_option
@file_option("--out", "File of private scores to write; its directory is closed to others.")
@click.option("--state", type=DIRECTORY, help="Directory of checkpoints, so that a stopped job can go on.")
@seed_option
@threads_option
@section_options(config.AuditOptions)
@logged
def shadow(number, comparands, models, out, state, seed, threads, sections):
    """Make one shadow model of an audit: the generator anew, on half of the real people, drawn from
    and attacked.

    Seed and options must be those of the audit, which reads the file with --shadow.
    """
    from genoloom.stages.inputs import open_comparands, source_files
    from genoloom.stages.shadows import shadow as stage

    [options] = sections
    with open_comparands(**comparands) as opened:
        stage(
            number=number,
            comparands=opened,
            models=list(models),
            out=out,
            options=options,
            seed=seed,
            sources=source_files(**comparands),
            state=state,
            threads=threads,
        )


@genoloom.command()
@real_options
@click.option(
    "--generator",
    "generators",
    multiple=True,
    required=True,
    metavar="NAME=FILE",
    callback=as_named_files,
    help=f"Synthetic people: {ANY_TOOL}",
)
@click.option(
    "--labels",
    multiple=True,
    metavar="NAME=SHEET",
    callback=as_named_files,
    help="Sheet of the synthetic people of one generator: person, population.",
)
@click.option("--controls/--no-controls", default=True, show_default=True, help="Also make and judge controls.")
@click.option("--out", type=DIRECTORY, required=True, help="Directory for tables, private audits and the report.")
@seed_option
@section_options(config.ValidateOptions, config.AuditOptions)
@logged
def compare(real, generators, labels, controls, out, seed, sections):
    """Put several generators, of any tool, into one table and one report, beside controls.

    \b
    genoloom compare --train train.bcf --holdout holdout.bcf --people people.tsv \\
        --generator ours=20.vcf.gz --generator theirs=hapnest.bed --out comparison
    """
    from genoloom.stages.compare import compare as stage

    validate_options, audit_options = sections
    click.echo(
        stage(
            real=real,
            generators=generators,
            labels=labels,
            controls=controls,
            out=out,
            validate_options=validate_options,
            audit_options=audit_options,
            seed=seed,
        ),
        nl=False,
    )


@genoloom.command()
@click.option("--results", type=DIRECTORY, default="results", show_default=True, help="Directory of the workflow's results.")
@click.option("--panel", required=True, help="Panel, by name.")
@click.option("--generator", required=True, help="Generator, by name.")
@click.option("--out", type=DIRECTORY, required=True, help="Directory of the bundle; an older bundle there is removed.")
@file_option("--sheet", "Sheet of panels: the raw input is compared with what the panel was made of.", required=False)
@section_options(config.ReleaseOptions)
@logged
def release(results, panel, generator, out, sheet, sections):
    """Bundle synthetic data when the gate passes; otherwise list every reason, leave no bundle and
    exit with code 3.
    """
    from genoloom.stages.release import release as stage

    [options] = sections
    stage(results=results, panel=panel, generator=generator, out=out, options=options, sheet=sheet)


genoloom.add_command(sequences)


@genoloom.command()
@click.option("--results", type=DIRECTORY, default="results", show_default=True, help="Directory of the workflow's results.")
@click.option("--panel", "panels", multiple=True, help="Panel to show. Repeat.")
@click.option("--generator", "generators", multiple=True, help="Haplotype generator to show. Repeat.")
@click.option("--sequence-set", "sequence_sets", multiple=True, help="Sequence set to show. Repeat.")
@click.option("--sequence-generator", "sequence_generators", multiple=True, help="Sequence generator to show. Repeat.")
@file_option("--out", "HTML file to write.")
@logged
def report(results, panels, generators, sequence_sets, sequence_generators, out):
    """Write the public report: one HTML file that works offline."""
    from genoloom.stages.report import report as stage

    text = stage(
        results=results,
        panels=list(panels),
        generators=list(generators),
        sequence_sets=list(sequence_sets),
        sequence_generators=list(sequence_generators),
        out=out,
    )
    click.echo(text, nl=False)


for _command in (*STUDY_COMMANDS, *MEDICINE_COMMANDS):
    genoloom.add_command(_command)


def main() -> None:
    run_and_exit(genoloom)
