"""The sections of the configuration that are about DNA sequences; `genoloom.config` has all others,
and the whole.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.config_section import Section, Share, heads_divide_width


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
        description="Oriented sequences, such as promoters: the other strand is no example.",
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
        description="Columns of a table, with commas between them, that hold the label to generate "
        "by: words, or numbers for bins.",
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
        description="Hold out whole homology clusters; or contiguous chunks of the records, where "
        "repeats would weld clusters.",
    )
    canaries: int = Field(
        0,
        ge=0,
        le=9999,
        description="Random sequences to plant among the training ones; validation then tells "
        "whether models remember them.",
    )
    max_leakage: Share = Field(
        0.05,
        description="Refuse a split in which a larger share of the holdout shares such a k-mer "
        "with training.",
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
        1.0, gt=0, description="Below 1 draws likelier bases. Not for the GAN."
    )
    top_k: int = Field(
        4, ge=1, le=4, description="Draw among this many of the likeliest bases. Not for the GAN."
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Draw among the likeliest bases of this probability together. Not for the GAN.",
    )
    guidance: float = Field(
        1.0, ge=0, description="Weight of the label in classifier-free guidance; transformer only."
    )
    prompt: str = Field("", description="Bases that every sequence begins with. Not for the GAN.")
    label_candidates: int = Field(
        32,
        ge=0,
        description="Candidates for a sequence, at most, of which a transformer that has a "
        "label classifier keeps one that it agrees with; 0, or a prompt, leaves the classifier "
        "out.",
    )


class InfillOptions(Section):
    """Filling runs of N with a sequence model."""

    max_gap: int = Field(
        64, ge=1, description="Fill runs of at most this many N; longer ones stay."
    )
    flank: int = Field(128, ge=1, description="Known bases on either side that a gap is filled by.")
    candidates: int = Field(
        64,
        ge=1,
        description="Candidates for each gap, of which one is kept by what follows the gap.",
    )
    label: str = Field("", description="Label of the sequences; empty for none.")


class SequenceMarkovOptions(Section):
    """Interpolated Markov chain over bases, with position in sets of one orientation; all chosen on
    validation sequences.
    """

    max_order: int = Field(
        10,
        ge=1,
        le=11,
        description="Longest context, in bases; the order is chosen on validation sequences.",
    )


class SequenceContextMixingOptions(SequenceMarkovOptions):
    """The Markov chain and what the sequence's own past adds: its composition and its repeats."""


class SequenceTransformerOptions(Section):
    """Causal transformer over bases, with convolutions under the attention and the Markov chain
    built in.
    """

    steps: int = Field(1400, ge=1, description="Optimiser steps of the schedule.")
    batch: int = Field(32, ge=1, description="Sequences a step.")
    width: int = Field(
        64, ge=16, le=4096, description="Model width; a multiple of twice the heads."
    )
    layers: int = Field(
        1, ge=0, le=64, description="Attention layers; 0 leaves a pure convolution."
    )
    convolutions: int = Field(
        6, ge=0, le=64, description="Dilated causal convolutions under the attention."
    )
    heads: int = Field(4, ge=1, validate_default=True, description="Attention heads.")
    kmer_size: int = Field(
        1,
        ge=1,
        le=8,
        description="Bases of a token of the attention; 6 for windows of thousands of bases. "
        "Forecasts are by base whatever it is.",
    )
    dropout: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Dropout; null takes 0.1, and 0.2 for fewer than 5,000 sequences.",
    )
    learning_rate: float = Field(
        2e-3, gt=0, description="Peak learning rate of the cosine schedule."
    )
    evaluate_every: int = Field(
        70, ge=1, description="Steps between evaluations; the best one is kept."
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="Stop after this many evaluations without gain. Null never stops early: on "
        "repeats the gain over the chain comes late.",
    )
    fim_rate: Share = Field(
        0.0,
        description="Share of the steps in which what comes after a random place is read first, "
        "so that gaps can be filled given both sides. 0 trains from left to right alone. Needs "
        "kmer_size 1.",
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
    batch: int = Field(64, ge=2, description="Sequences a step.")
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
        description="Weight of the share of bases that are edited. Without it edits grow and wear "
        "away what the chain knew.",
    )
    evaluate_every: int = Field(100, ge=1, description="Generator steps between evaluations.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Stop after this many evaluations without gain; null never stops early.",
    )


class AuditSequencesOptions(Section):
    """What the synthetic sequences reveal about the training sequences."""

    bootstrap: int = Field(
        1000,
        ge=FEWEST_RESAMPLES,
        description="Bootstrap resamples of sequences, and shuffles of who trained; with fewer a "
        "test could not reach its level.",
    )
    max_auc: Share = Field(
        0.6,
        description="The audit passes when the upper bound of the worst attack's AUC is no larger.",
    )
    max_compared: int = Field(
        500, ge=20, description="Sequences of each kind that are compared, at most."
    )
    stranded: bool | None = Field(
        None,
        description="Oriented sequences: the other strand does not count. null takes what the "
        "headers say (stranded=true), and counts both strands where they say nothing.",
    )


class ValidateSequencesOptions(Section):
    """Fidelity of synthetic sequences."""

    n_permutations: int = Field(
        10,
        ge=2,
        description="Number of permutations (random halves) used for the null standard deviation.",
    )
    max_compared: int = Field(
        500, ge=10, description="Sequences that are aligned for identities, at most."
    )
    stranded: bool | None = Field(
        None,
        description="Oriented sequences: the other strand does not count. null takes what the "
        "headers say (stranded=true), and counts both strands where they say nothing.",
    )
    motifs: str = Field(
        "",
        description="Motifs to look for: a file of JASPAR count matrices; or IUPAC words and "
        "matrices of JASPAR 2024, by id or name, such as TATAWAW,JASPAR:MA0108.3,JASPAR:SP2 "
        "(matrices need pip install 'genoloom[motifs]'); empty for none.",
    )
    max_classified: int = Field(
        300, ge=20, description="Sequences of each kind that the convolutional classifier is shown."
    )
    coding: Literal["none", "orfs", "frame"] = Field(
        "none",
        description="'orfs': compare open reading frames; 'frame': codon usage and stops too, of "
        "sequences whose first base begins a codon.",
    )
    guidance_sweep: str = Field(
        "",
        description="Weights, such as 0,1,1.5,2.5, at which sequences are drawn anew to measure "
        "what guidance does to the labels; only of a model that has both. Empty for none.",
    )


class SequenceTrainSections(Section):
    """Options of every sequence generator."""

    markov: SequenceMarkovOptions = Field(default_factory=SequenceMarkovOptions)
    context_mixing: SequenceContextMixingOptions = Field(
        default_factory=SequenceContextMixingOptions
    )
    transformer: SequenceTransformerOptions = Field(default_factory=SequenceTransformerOptions)
    gan: SequenceGanOptions = Field(default_factory=SequenceGanOptions)
