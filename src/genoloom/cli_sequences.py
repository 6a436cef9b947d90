"""The commands of the sequence half: `genoloom sequences ...`. Heavy imports wait until a stage is
called.
"""

import click

from genoloom.cli_options import (
    DIRECTORY,
    controls_option,
    figures_option,
    file_option,
    history_option,
    logged,
    model_option,
    name_option,
    section_options,
    seed_option,
    state_option,
    threads_option,
)
from genoloom.config_section import Section
from genoloom.sequence_config import (
    GenerateSequencesOptions,
    InfillOptions,
    SequenceOptions,
    SequenceTrainSections,
    ValidateSequencesOptions,
)
from genoloom.training_config import TrainOptions


@click.group()
def sequences():
    """DNA sequences: prepare, train, generate, validate."""


@sequences.command("prepare")
@file_option("--source", "FASTA, labelled FASTA, CSV/TSV or one sequence a line.")
@file_option("--regions", "BED of intervals of a FASTA source, with label and strand.", required=False)
@click.option("--out", type=DIRECTORY, required=True, help="Directory of the set.")
@seed_option
@section_options(SequenceOptions)
@logged
def sequences_prepare(source, regions, out, seed, sections):
    """Cut windows and split them so that no homologous pair straddles."""
    from genoloom.stages.sequences import prepare_sequences

    [options] = sections
    prepare_sequences(source=source, regions=regions, out=out, options=options, seed=seed)


@sequences.group("train")
def sequences_train():
    """Train a sequence generator."""


def _add_sequences_train(name: str, options_class: type[Section]) -> None:
    @sequences_train.command(name, help=options_class.__doc__)
    @file_option("--train", "Training sequences (FASTA).")
    @model_option
    @history_option
    @state_option
    @seed_option
    @threads_option
    @section_options(TrainOptions, options_class)
    @logged
    def command(train, model, history, state, seed, threads, sections):
        from genoloom.stages.sequences import train_sequences

        common, options = sections
        train_sequences(
            generator=name,
            train=train,
            model=model,
            history=history,
            state=state,
            common=common,
            options=options,
            seed=seed,
            threads=threads,
        )


for _name, _field in SequenceTrainSections.model_fields.items():
    _add_sequences_train(_name, _field.annotation)


@sequences.command("generate")
@model_option
@file_option("--out", "FASTA to write (.fa.gz).")
@seed_option
@threads_option
@section_options(GenerateSequencesOptions)
@logged
def sequences_generate(model, out, seed, threads, sections):
    """Sample sequences to FASTA."""
    from genoloom.stages.sequences import generate_sequences

    [options] = sections
    generate_sequences(model=model, out=out, options=options, seed=seed, threads=threads)


@sequences.command("infill")
@model_option
@file_option("--fasta", "Sequences with runs of N (FASTA, CSV/TSV or text).")
@file_option("--out", "FASTA to write; filled bases in lower case.")
@seed_option
@threads_option
@section_options(InfillOptions)
@logged
def sequences_infill(model, fasta, out, seed, threads, sections):
    """Fill runs of N given both sides."""
    from genoloom.stages.infill import infill

    [options] = sections
    infill(model=model, fasta=fasta, out=out, options=options, seed=seed, threads=threads)


@sequences.command("score")
@model_option
@file_option("--vcf", "Variants: VCF(.gz) or BCF.")
@file_option("--fasta", "Reference of the variants.")
@file_option("--out", "VCF(.gz) or BCF to write, with the log-likelihood ratio ALT/REF in INFO/GLLR.")
@file_option(
    "--report", "JSON to write: agreement with the allele frequency, beside the chains and 6-mer counts.", required=False
)
@click.option("--window", type=click.IntRange(min=20), help="Bases around a variant; the longest training length by default.")
@threads_option
@logged
def sequences_score(model, vcf, fasta, out, report, window, threads):
    """Score variants by the likelihood of their windows, both strands averaged."""
    from genoloom.stages.score_variants import score_variants

    score_variants(model=model, vcf=vcf, fasta=fasta, out=out, report=report, window=window, threads=threads)


@sequences.command("validate")
@name_option
@file_option("--synthetic", "Synthetic FASTA.")
@file_option("--train", "Real sequences that the generator learnt from; without them novelty is not judged.", required=False)
@file_option("--holdout", "Real sequences that it has not seen.")
@file_option("--model", "Model, for bits per base.", required=False)
@controls_option
@file_option("--out", "Table to write.")
@figures_option
@seed_option
@section_options(ValidateSequencesOptions)
@logged
def sequences_validate(name, synthetic, train, holdout, model, controls, out, figures, seed, sections):
    """Compare synthetic sequences with held-out real ones."""
    from genoloom.stages.validate_sequences import validate_sequences

    [options] = sections
    validate_sequences(
        name=name,
        synthetic=synthetic,
        train=train,
        holdout=holdout,
        model=model,
        controls=list(controls),
        out=out,
        figures=figures,
        options=options,
        seed=seed,
    )
