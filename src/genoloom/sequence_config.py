"""The sections of the configuration that are about DNA sequences; `genoloom.config` has all others,
and the whole.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.config_section import (
    Section,
    Share,
    heads_divide_width,
    learning_rate_field,
    patience_field,
)

# fields of several sections
STRANDED = Field(
    None,
    description="Whether sequences are oriented, so that the other strand does not count. null"
    " takes what the headers say (stranded=true), and counts both strands where "
    "they say nothing.",
)
MAX_AUC = Field(
    0.6, description="The audit passes when the upper bound of the worst attack's AUC is no larger."
)


class SequenceOptions(Section):
    """Windows of DNA, and how they are split."""

    window: int = Field(
        256,
        ge=0,
        description="Length of a window of a FASTA, in bases; 0 keeps records and intervals whole. "
        "Tables and text are never cut.",
    )
    stride: int = Field(256, ge=1, description="Distance between window starts, in bases.")
    max_n: Share = Field(
        0.0, description="Drop windows with a larger share of bases other than A, C, G, T."
    )
    min_length: int = Field(50, ge=1, description="Drop shorter sequences.")
    stranded: bool = Field(
        False,
        description="Whether sequences are oriented, such as promoters; then their reverse "
        "complements are not training examples.",
    )
    holdout: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="Share of the sequences held out."
    )
    shared_kmer: int = Field(
        24,
        ge=12,
        le=31,
        description="Sequences that share a k-mer of this length, on either strand, stay on one "
        "side.",
    )
    label_column: str = Field(
        "label",
        description="Columns of a table, with commas between them, that hold the label for "
        "conditional generation: words, or numbers that are binned.",
    )
    bins: int = Field(
        5,
        ge=2,
        le=50,
        description="Labels that are numbers become this many bins, equally full on the training "
        "side: bin1, bin2, ...",
    )
    split: Literal["homology", "chunks"] = Field(
        "homology",
        description="Hold out whole homology clusters, or contiguous chunks of the records where "
        "repeats would join the clusters.",
    )
    canaries: int = Field(
        0,
        ge=0,
        le=9999,
        description="Random sequences to plant among the training ones; the audit then finds "
        "whether models remember them.",
    )
    max_leakage: Share = Field(
        0.05,
        description="Refuse a split in which a larger share of the holdout shares a k-mer "
        "(shared_kmer) with training.",
    )


class GenerateSequencesOptions(Section):
    """From a model to a FASTA of synthetic sequences."""

    count: int = Field(1000, ge=1, description="Synthetic sequences to generate.")
    label: str = Field(
        "",
        description="Make all sequences of this label; empty keeps the training mix. Of a label of "
        "several columns the transformer can be asked for some: 'promoter+*'.",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        description="Sampling temperature; below 1 likely bases become more frequent. "
        "Not for the GAN.",
    )
    top_k: int = Field(
        4, ge=1, le=4, description="Draw from this many of the most likely bases. Not for the GAN."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Draw from the most likely bases with this total probability. Not for the GAN.",
    )
    guidance: float = Field(
        1.0, ge=0, description="Weight of the label in classifier-free guidance; transformer only."
    )
    prompt: str = Field("", description="Bases that every sequence begins with. Not for the GAN.")
    label_candidates: int = Field(
        32,
        ge=0,
        description="Most candidates per sequence for rejection sampling by the label classifier "
        "of a transformer; 0, or a prompt, leaves the classifier out.",
    )


class InfillOptions(Section):
    """Filling runs of N with a sequence model."""

    max_gap: int = Field(
        64, ge=1, description="Fill runs of at most this many N; longer ones stay."
    )
    flank: int = Field(
        128, ge=1, description="Known bases on either side that are used to fill a gap."
    )
    candidates: int = Field(
        64,
        ge=1,
        description="Candidates per gap; one is kept, weighted by the bases after the gap.",
    )
    label: str = Field("", description="Label of the sequences; empty for none.")


class SequenceMarkovOptions(Section):
    """Interpolated Markov chain over bases, with position in oriented sets; all settings are chosen
    on validation sequences.
    """

    max_order: int = Field(
        10,
        ge=1,
        le=11,
        description="Longest context, in bases; the order is chosen on validation sequences.",
    )


class SequenceContextMixingOptions(SequenceMarkovOptions):
    """The Markov chain, mixed with the sequence's own composition and repeats."""


class SequenceTransformerOptions(Section):
    """Causal transformer over bases, with convolutions before the attention and the Markov chain
    built in.
    """

    steps: int = Field(1400, ge=1, description="Optimiser steps of the schedule.")
    batch: int = Field(32, ge=1, description="Sequences per step.")
    width: int = Field(
        64, ge=16, le=4096, description="Model width; a multiple of twice the heads."
    )
    layers: int = Field(
        1, ge=0, le=64, description="Attention layers; 0 gives a purely convolutional network."
    )
    convolutions: int = Field(
        6, ge=0, le=64, description="Dilated causal convolutions before the attention."
    )
    heads: int = Field(4, ge=1, validate_default=True, description="Attention heads.")
    kmer_size: int = Field(
        1,
        ge=1,
        le=8,
        description="Bases per token of the attention; 6 for windows of thousands of bases. Every "
        "base is predicted, whatever the value.",
    )
    dropout: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Dropout; null takes 0.1, and 0.2 for fewer than 5,000 sequences.",
    )
    learning_rate: float = learning_rate_field(2e-3)
    evaluate_every: int = Field(
        70, ge=1, description="Steps between evaluations; the best one is kept."
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Stop after this many evaluations without improvement. Null never stops early:"
        " in repeats the improvement over the chain comes late.",
    )
    fim_rate: Share = Field(
        0.0,
        description="Share of the steps with fill-in-the-middle: the bases after a random position"
        " are read first, so that gaps can be filled given both sides. 0 trains from "
        "left to right alone. Needs kmer_size 1.",
    )

    _heads_divide_width = field_validator("heads")(heads_divide_width)

    @field_validator("fim_rate")
    @classmethod
    def _gaps_need_single_bases(cls, fim_rate: float, info: ValidationInfo) -> float:
        if fim_rate and info.data.get("kmer_size", 1) > 1:
            raise ValueError("a gap begins at any base: fim_rate needs kmer_size 1")
        return fim_rate


class SequenceGanOptions(Section):
    """Wasserstein GAN with gradient penalty over bases."""

    steps: int = Field(1000, ge=1, description="Generator steps of the schedule.")
    batch: int = Field(64, ge=2, description="Sequences per step.")
    critic_steps: int = Field(1, ge=1, description="Critic steps for each generator step.")
    width: int = Field(64, ge=8, le=4096, description="Channels of generator and critic.")
    latent: int = Field(64, ge=1, le=4096, description="Latent dimensions.")
    chain_noise: bool = Field(
        True,
        description="Start from samples of the context mixture and learn to edit them; false "
        "starts from uniform noise, for comparison.",
    )
    learning_rate: float = Field(
        1e-3, gt=0, description="Learning rate of the generator; the critic's is twice it."
    )
    gradient_penalty: float = Field(1.0, ge=0, description="Weight of the gradient penalty.")
    edit_penalty: float = Field(
        3.0,
        ge=0,
        description="Weight of the share of bases that are edited. Without it the edits grow and "
        "undo what the chain learned.",
    )
    evaluate_every: int = Field(100, ge=1, description="Generator steps between evaluations.")
    patience: int | None = patience_field(None)


class AuditSequencesOptions(Section):
    """What the synthetic sequences reveal about the training sequences."""

    bootstrap: int = Field(
        1000,
        ge=FEWEST_RESAMPLES,
        description="Bootstrap resamples of sequences, and permutations of membership; with fewer "
        "than 199 a test could not reach its level.",
    )
    max_auc: Share = MAX_AUC
    max_compared: int = Field(
        500,
        ge=20,
        description="Most sequences per group (training, holdout, synthetic) that are compared.",
    )
    stranded: bool | None = STRANDED


class ValidateSequencesOptions(Section):
    """Fidelity of synthetic sequences."""

    n_permutations: int = Field(
        10,
        ge=2,
        description="Number of permutations (random halves) used for the null standard deviation.",
    )
    max_compared: int = Field(
        500, ge=10, description="Most sequences that are aligned for identities."
    )
    stranded: bool | None = STRANDED
    motifs: str = Field(
        "",
        description="Motifs to look for: a file of JASPAR count matrices; or IUPAC words and "
        "matrices of JASPAR 2024, by id or name, such as TATAWAW,JASPAR:MA0108.3,JASPAR:SP2 "
        "(matrices need pip install 'genoloom[motifs]'); empty for none.",
    )
    max_classified: int = Field(
        300,
        ge=20,
        description="Most sequences per group (real, synthetic) for the convolutional classifier.",
    )
    coding: Literal["none", "orfs", "frame"] = Field(
        "none",
        description="'orfs': compare open reading frames; 'frame': codon usage and stops too, of "
        "sequences whose first base begins a codon.",
    )
    guidance_sweep: str = Field(
        "",
        description="Weights, such as 0,1,1.5,2.5, at which sequences are drawn anew to measure "
        "the effect of guidance on the labels; only for a model with labels and "
        "guidance. Empty for none.",
    )


class SequenceTrainSections(Section):
    """Options of every sequence generator."""

    markov: SequenceMarkovOptions = Field(default_factory=SequenceMarkovOptions)
    context_mixing: SequenceContextMixingOptions = Field(
        default_factory=SequenceContextMixingOptions
    )
    transformer: SequenceTransformerOptions = Field(default_factory=SequenceTransformerOptions)
    gan: SequenceGanOptions = Field(default_factory=SequenceGanOptions)
