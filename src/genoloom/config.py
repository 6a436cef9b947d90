"""The one definition of the configuration.

Each section is a flat model whose fields are also the options of one command: `min_mac` in the
section `prepare` is `genoloom prepare --min-mac`. The default file `config/config.yaml`, the schema
in `workflow/schemas/` and the tables in `config/README.md` are generated from here. No torch, no
file formats.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from genoloom.config_section import Section, Share
from genoloom.medicine_config import (
    PhenotypeOptions,
    StarAlleleSection,
    TrialSection,
    UtilitySection,
)
from genoloom.privacy_config import AuditOptions, PrivacyOptions, ReleaseOptions
from genoloom.sequence_config import (
    AuditSequencesOptions,
    GenerateSequencesOptions,
    SequenceOptions,
    SequenceTrainSections,
    ValidateSequencesOptions,
)
from genoloom.training_config import TrainSections

INDIVIDUALS_A_JOB = 1000  # of one window, where jobs share the individuals
LEAST_VALIDATED = 2048  # sites of a window of validation by scale.window: several of linkage


class PrepareOptions(Section):
    """From VCF, BCF or PGEN to a panel of phased, biallelic sites."""

    min_mac: int = Field(
        2,
        ge=0,
        description="Keep sites with at least this many copies of the minor allele; 1 keeps "
        "singletons.",
    )
    max_missing: Share = Field(
        0.05, description="Reject sites with a larger share of missing calls."
    )
    multiallelic: Literal["split", "reject"] = Field(
        "split",
        description="What to do with sites that have several alternate alleles; 'split' makes one "
        "biallelic site of each allele.",
    )
    allow_unphased: Literal["no", "drop-sites", "drop-individuals"] = Field(
        "no",
        description="What to do with unphased heterozygotes: 'no' is an error; otherwise their "
        "sites or their individuals are dropped.",
    )
    reference_mismatch: Literal["error", "reject"] = Field(
        "error",
        description="What to do when a REF allele differs from the FASTA: stop the run, or reject "
        "the record.",
    )
    map_min_rate: float = Field(
        0.1,
        gt=0,
        description="A genetic map with fewer centimorgans per megabase, over its whole length, is"
        " an error: it may be in Morgans.",
    )
    map_max_rate: float = Field(
        10.0,
        gt=0,
        description="A genetic map with more centimorgans per megabase, over its whole length, is "
        "an error: it may be a rate.",
    )
    overlapping: Literal["reject", "keep"] = Field(
        "reject",
        description="What to do with a record that excludes an earlier one (both at one position, "
        "or a variant inside a deletion) although the same haplotypes carry both. If "
        "such records are kept, a synthetic haplotype carries only one of them.",
    )
    ploidy: Literal["auto", "diploid", "haploid", "x-linked", "y-linked"] = Field(
        "auto",
        description="Which individuals have one haplotype: none, all, males (females have two), or"
        " males (females have none); 'auto' recognises X, Y and MT by their names, and"
        " the pseudo-autosomal regions.",
    )
    build: Literal["auto", "GRCh37", "GRCh38"] = Field(
        "auto",
        description="Genome build, which says where the pseudo-autosomal regions are; 'auto' finds"
        " it from the length of X or Y.",
    )
    haploid_heterozygous: Literal["reject", "missing"] = Field(
        "reject",
        description="What to do with a heterozygous call of a haploid individual: reject the site,"
        " or set the call to missing.",
    )
    filters: Annotated[str, Field(pattern=r"^[^\s;,]+(,[^\s;,]+)*$")] = Field(
        "PASS,.",
        description="Values of FILTER that are accepted, separated by commas; '.' is no value, "
        "'all' accepts every record.",
    )


class SplitOptions(Section):
    """Which individuals train and which are held out."""

    holdout: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5,
        description="Share of the individuals held out. One half lets every comparison use equal "
        "numbers of individuals.",
    )
    kinship: bool = Field(
        True,
        description="Find duplicates and relatives of second degree and nearer by their genotypes, "
        "as far as there are enough independent sites, and keep them on one side.",
    )
    pedigree: str | None = Field(
        None,
        description="Pedigree (PLINK .fam, .ped, .psam, or a table with individual, father and "
        "mother) whose families stay on one side.",
    )


class CohortOptions(Section):
    """The synthetic individuals, made before any chromosome."""

    size: int | None = Field(
        None,
        ge=1,
        description="Number of synthetic individuals; null makes as many as the training "
        "individuals.",
    )
    populations: str = Field(
        "panel", description="'panel' keeps the training mix; or shares such as 'GBR:0.7,FIN:0.3'."
    )
    female: Share = Field(0.5, description="Share of female individuals.")
    children: int = Field(
        0,
        ge=0,
        le=20,
        description="Children of each couple: 1 makes trios, more make sibships with both parents; "
        "with 0 nobody is related.",
    )
    in_families: Share = Field(
        1.0, description="Share of the individuals that are in families, where there are children."
    )
    admixture: str | None = Field(
        None,
        description="Ancestry of admixed individuals, such as 'EUR:0.8,AFR:0.2'; null makes none. "
        "They have the population 'admixed'.",
    )
    admixed: Share = Field(
        0.5,
        description="Share of the individuals that are admixed, where there is an admixture. "
        "Validation and audit need some who are not.",
    )
    generations: float = Field(
        8.0,
        gt=0,
        description="Generations since admixture: ancestry is redrawn at this rate per Morgan.",
    )
    inbreeding: Share = Field(
        0.0,
        description="Inbreeding coefficient F: the share of the genome at which an individual's "
        "haplotypes are one ancestor's copies.",
    )
    meioses: float = Field(
        6.0,
        gt=0,
        description="Meioses around the inbreeding loop: autozygosity is redrawn at this rate per "
        "Morgan; 6 for first cousins.",
    )


class ScaleOptions(Section):
    """Long contigs and large cohorts as several jobs of the workflow: one switch for all stages."""

    window: int | None = Field(
        None,
        ge=64,
        description="Sites of a window: the default of train.transformer.window and of "
        "validate.window; drawing and consensus have one job for each 1000 individuals of each "
        "window. Up to one and a half of that stay one job. null: every contig is one job. 16384 "
        "suits chromosomes.",
    )

    def jobs(self, sites: int, individuals: int) -> int:
        """Number of jobs that share the drawn `individuals` of a contig of `sites` sites."""
        if self.window is None:
            return 1
        return max(1, round(sites * individuals / (self.window * INDIVIDUALS_A_JOB)))


class RedrawOptions(Section):
    """Redrawing synthetic individuals who come too close to a training individual, before their
    files are written.
    """

    enabled: bool = Field(
        False, description="Whether the workflow runs it. The models are then sampled twice."
    )
    closer_than: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.01,
        description="An individual is too close when it is nearer to a training individual than "
        "all but this share of the training individuals are to each other.",
    )
    attempts: int = Field(
        10,
        ge=1,
        description="Most draws for one individual; after that the run stops with an error.",
    )


JOBS = Field(
    None,
    ge=1,
    description="Jobs of the workflow that share the individuals of each contig; the result is the "
    "same. null follows scale.window.",
)


class GenerateOptions(Section):
    """From a model to files of synthetic haplotypes."""

    format: Literal["vcf.gz", "bcf"] = Field(
        "vcf.gz",
        description="Text (bgzip; tbi, csi beyond 2^29 base pairs) or binary (csi); a PGEN trio is "
        "always written.",
    )
    shard: int = Field(
        1000,
        ge=1,
        description="Individuals sampled at a time; memory follows it, the result does not.",
    )
    jobs: int | None = JOBS


class ConsensusOptions(Section):
    """Personal haplotype FASTA of the synthetic individuals."""

    individuals: int = Field(
        4,
        ge=0,
        description="Individuals, from the top of the cohort sheet, whose FASTA the workflow "
        "writes; 0 writes none.",
    )
    jobs: int | None = JOBS


class ValidateOptions(Section):
    """Fidelity of synthetic haplotypes against the held-out half."""

    n_permutations: int = Field(
        40,
        ge=2,
        description="Number of permutations (random halves of the real individuals) used for the "
        "reference value and for the z-score; below 10 the verdicts take metrics for normally "
        "distributed.",
    )
    ld_window: int = Field(
        200,
        ge=50,
        description="Common sites per window of the linkage metrics; also the number of sites read"
        " at a time.",
    )
    window: int | None = Field(
        None,
        ge=100,
        description="Sites of a window of a contig: what is read of each is summed by a job of its "
        "own, and linkage and runs end at its ends. Up to one and a half of that are one window. "
        "null follows scale.window, but is at least 2048.",
    )
    components: int = Field(4, ge=1, description="Principal components compared.")
    phaser: Literal["none", "beagle"] = Field(
        "none",
        description="Program that phases synthetic and real individuals anew, to compare switch "
        "errors; where it is missing, they are 'not run'.",
    )

    def windows(self, sites: int) -> int:
        """Number of windows of a contig of `sites` sites."""
        return max(1, round(sites / self.window)) if self.window else 1


class Config(Section):
    """A whole run."""

    seed: int = Field(
        1,
        ge=0,
        description="Every job derives its own seed from this one; the same seed gives the same "
        "bytes on a CPU.",
    )
    panels: str | None = Field(
        None, description="Sheet of panels: one row for each contig of each panel."
    )
    sequence_sets: str | None = Field(None, description="Sheet of sequence sets: one row per set.")
    generators: list[Literal["transformer", "gan", "copying_network"]] = Field(
        ["transformer", "gan"], description="Haplotype generators to train."
    )
    baselines: list[
        Literal["independent", "markov", "mosaic", "matched_mosaic", "hmm", "li_stephens"]
    ] = Field(
        ["independent", "markov", "mosaic", "matched_mosaic"],
        description="Simple haplotype generators to run as well; every table and plot shows both.",
    )
    sequence_generators: list[Literal["transformer", "gan"]] = Field(
        ["transformer", "gan"],
        description="Sequence generators to train; the Markov chain always runs alongside them.",
    )
    prepare: PrepareOptions = Field(default_factory=PrepareOptions)
    split: SplitOptions = Field(default_factory=SplitOptions)
    scale: ScaleOptions = Field(default_factory=ScaleOptions)
    train: TrainSections = Field(default_factory=TrainSections, validate_default=True)
    cohort: CohortOptions = Field(default_factory=CohortOptions)
    redraw: RedrawOptions = Field(default_factory=RedrawOptions)
    privacy: PrivacyOptions = Field(default_factory=PrivacyOptions)
    generate: GenerateOptions = Field(default_factory=GenerateOptions)
    consensus: ConsensusOptions = Field(default_factory=ConsensusOptions)
    phenotypes: PhenotypeOptions = Field(default_factory=PhenotypeOptions)
    utility: UtilitySection = Field(default_factory=UtilitySection)
    treatment_effects: TrialSection = Field(default_factory=TrialSection)
    star_alleles: StarAlleleSection = Field(default_factory=StarAlleleSection)
    validate_: ValidateOptions = Field(
        default_factory=ValidateOptions, alias="validate", validate_default=True
    )
    audit: AuditOptions = Field(default_factory=AuditOptions)
    release: ReleaseOptions = Field(default_factory=ReleaseOptions)
    sequences: SequenceOptions = Field(default_factory=SequenceOptions)
    train_sequences: SequenceTrainSections = Field(default_factory=SequenceTrainSections)
    generate_sequences: GenerateSequencesOptions = Field(default_factory=GenerateSequencesOptions)
    validate_sequences: ValidateSequencesOptions = Field(default_factory=ValidateSequencesOptions)
    audit_sequences: AuditSequencesOptions = Field(default_factory=AuditSequencesOptions)

    @field_validator("train")
    @classmethod
    def _windows_of_the_scale(cls, train: TrainSections, info: ValidationInfo) -> TrainSections:
        """A model that is adapted from another one has no windows."""
        scale, transformer = info.data.get("scale"), train.transformer
        if not scale or transformer.window or transformer.init_from:
            return train
        own = transformer.model_copy(update={"window": scale.window})
        return train.model_copy(update={"transformer": own})

    @field_validator("validate_")
    @classmethod
    def _windows_of_validation(
        cls, validate: ValidateOptions, info: ValidationInfo
    ) -> ValidateOptions:
        scale = info.data.get("scale")
        if not scale or validate.window or not scale.window:
            return validate
        return validate.model_copy(update={"window": max(scale.window, LEAST_VALIDATED)})

    @field_validator("redraw")
    @classmethod
    def _families_are_not_redrawn(
        cls, redraw: RedrawOptions, info: ValidationInfo
    ) -> RedrawOptions:
        cohort = info.data.get("cohort")
        if redraw.enabled and cohort and cohort.children:
            raise ValueError("a family cannot be redrawn: leave cohort.children at 0")
        return redraw

    @field_validator("privacy")
    @classmethod
    def _public_data_are_told_what_they_need(
        cls, privacy: PrivacyOptions, info: ValidationInfo
    ) -> PrivacyOptions:
        if privacy.mode == "none":
            return privacy
        needed = ("public_panel", "size", "mix")
        missing = [f"privacy.{name}" for name in needed if getattr(privacy, name) is None]
        if missing:
            raise ValueError(
                f"mode {privacy.mode} needs {', '.join(missing)}: none is taken from the cohort"
            )
        redraw = info.data.get("redraw")
        if "copying_network" not in info.data.get("generators", ["copying_network"]):
            raise ValueError(f"mode {privacy.mode} needs copying_network among the generators")
        if redraw and redraw.enabled:
            raise ValueError(
                f"redraw.enabled looks at the cohort: mode {privacy.mode} does without"
            )
        return privacy
