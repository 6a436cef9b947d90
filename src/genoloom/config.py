"""The one definition of the configuration.

Each section is a flat model whose fields are also the options of one command: `min_mac` in the
section `prepare` is `genoloom prepare --min-mac`. The default file `config/config.yaml`, the schema
in `workflow/schemas/` and the tables in `config/README.md` are generated from here. No torch, no
file formats.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.config_section import Section, Share
from genoloom.medicine_config import (
    PhenotypeOptions,
    StarAlleleSection,
    TrialSection,
    UtilitySection,
)
from genoloom.sequence_config import (
    MAX_AUC,
    AuditSequencesOptions,
    GenerateSequencesOptions,
    SequenceOptions,
    SequenceTrainSections,
    ValidateSequencesOptions,
)
from genoloom.training_config import TrainSections


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


class PrivacyOptions(Section):
    """What of a cohort may reach the data of `copying_network`; docs/privacy.md."""

    mode: Literal["none", "public", "statistics"] = Field(
        "none",
        description="'public': templates, weights and anchors come from a public panel, and of "
        "the cohort only its list of sites is used, and what you type of it: size, mix and "
        "populations. 'statistics': draws also follow noised statistics of the cohort. 'none': it "
        "learns from the cohort.",
    )
    epsilon: Annotated[float, Field(gt=0)] | None = Field(
        3.0,
        description="Mode statistics: epsilon of differential privacy, for all measurements of the"
        " cohort together. null: counts without noise, and no guarantee.",
    )
    delta: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-5,
        description="Mode statistics: chance that epsilon does not hold; far below one in the "
        "number of individuals.",
    )
    noise: Literal["secret", "seed"] = Field(
        "secret",
        description="Mode statistics: 'secret' takes the noise of a key that the operating system "
        "makes, in results/private; 'seed' from the seed of the run, which no release takes.",
    )
    public_panel: str | None = Field(
        None, description="Name of the public panel, as `genoloom panel add` registered it."
    )
    folder: str = Field("public_panels", description="Folder of registered panels.")
    populations: str | None = Field(
        None,
        description="Which population of the public panel represents which of the cohort, such as "
        "'IBS:TSI,FIN:CEU'; one that is not named represents itself.",
    )
    size: int | None = Field(
        None, ge=1, description="Number of synthetic individuals in modes public and statistics."
    )
    mix: str | None = Field(
        None,
        description="Their populations, under the cohort's names, such as 'IBS:0.5,GBR:0.5'; in "
        "place of cohort.populations, as size is of cohort.size.",
    )


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
    jobs: int = Field(
        1,
        ge=1,
        description="Jobs of the workflow that share the individuals of each contig; the result is "
        "the same.",
    )


class ConsensusOptions(Section):
    """Personal haplotype FASTA of the synthetic individuals."""

    individuals: int = Field(
        4,
        ge=0,
        description="Individuals, from the top of the cohort sheet, whose FASTA the workflow "
        "writes; 0 writes none.",
    )
    jobs: int = Field(
        1,
        ge=1,
        description="Jobs of the workflow that share the individuals of each contig; the result is "
        "the same.",
    )


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
    components: int = Field(4, ge=1, description="Principal components compared.")
    phaser: Literal["none", "beagle"] = Field(
        "none",
        description="Program that phases synthetic and real individuals anew, to compare switch "
        "errors; where it is missing, they are 'not run'.",
    )


class AuditOptions(Section):
    """What the synthetic haplotypes reveal about the training individuals."""

    windows: str = Field(
        "200,400,800", description="Window sizes, in sites, of the local nearest-neighbour attack."
    )
    haplotype_windows: str = Field(
        "20,100", description="Window sizes, in sites, of the haplotype-frequency attack."
    )
    bootstrap: int = Field(
        1000,
        ge=FEWEST_RESAMPLES,
        description="Bootstrap resamples of individuals, and permutations of membership; with "
        "fewer than 199 a test could not reach its level.",
    )
    max_auc: Share = MAX_AUC
    max_excess: Share = Field(
        0.03,
        description="The audit also needs that the upper bound of the excess over the unavoidable "
        "AUC is no larger.",
    )
    shadow_models: Annotated[int, Field(ge=0, multiple_of=2)] | Literal["auto"] = Field(
        "auto",
        description="Even number of times the generator is trained anew, on halves of the real "
        "individuals, for a stronger attack; 'auto': 4 where their estimated cost is "
        "at most shadow_minutes, else none. 0: no such attack.",
    )
    shadow_minutes: float = Field(
        5.0,
        gt=0,
        description="CPU minutes that all shadow models of a generator together may cost with "
        "'auto'. The cost is estimated from the size of the data, not measured, so "
        "that every machine decides alike.",
    )
    shadow_steps: Annotated[float, Field(gt=0, le=1)] = Field(
        0.125,
        description="Share of the generator's training steps that a shadow model takes. With fewer"
        " the attack is weaker; a release asks for 1.",
    )
    recipient: str | None = Field(
        None,
        description="Public crypt4gh key file; the private table of individuals is then encrypted "
        "for its owner (pip install crypt4gh).",
    )


class ReleaseOptions(Section):
    """What may leave: the gate before a bundle. Fails closed."""

    max_auc: Share = Field(
        0.6, description="Largest upper bound of the worst attack's AUC that may leave."
    )
    max_excess: Share = Field(
        0.03,
        description="Largest upper bound of the excess over the unavoidable AUC that may leave.",
    )
    max_tpr: Share = Field(
        0.025,
        description="Largest true positive rate at 1 % false positives; where individuals are few,"
        " a larger rate that chance explains is allowed.",
    )
    max_epsilon: Annotated[float, Field(gt=0)] = Field(
        8.0,
        description="Largest epsilon of noised statistics that may leave (privacy.mode: "
        "statistics).",
    )
    shadow_models: bool = Field(
        True,
        description="The audit must have had four shadow models of whole length "
        "(audit.shadow_models: 4, audit.shadow_steps: 1): without them it is much weaker.",
    )
    fidelity: Literal["pass", "weak", "any"] = Field(
        "weak",
        description="Worst fidelity verdict of a metric over all individuals; 'overfitted' and "
        "'not run' never pass.",
    )
    may_be_missing: str = Field(
        "", description="Fidelity metrics that may be 'not run', separated by commas."
    )
    min_carriers: int = Field(
        5,
        ge=1,
        description="The model must have left out alleles with fewer carriers among the training "
        "individuals (train.common.min_carriers).",
    )
    adapted_models: bool = Field(
        False,
        description="The model may have been adapted from another one (init_from). You vouch that "
        "no individual of this panel was in its training data: the gate cannot check "
        "this, and the audit is invalid where held-out individuals were.",
    )
    consensus: bool = Field(False, description="Also release the personal FASTA.")
    canaries: str = Field(
        "",
        description="Texts planted in the input, separated by commas; the release is refused if "
        "the bundle contains one.",
    )
    licence: str = Field(
        "",
        description="Licence of the released data, as a text or an address, for the description.",
    )


class Question(Section):
    """What is asked of the plan: options of `genoloom plan`."""

    synthetic: int | None = Field(
        None, ge=1, description="Size of the release; none: as many as train."
    )
    panel_size: int = Field(
        2504, ge=1, description="Individuals of the public panel that an attacker may use."
    )
    min_mac: int = Field(
        2,
        ge=1,
        description="Smallest minor allele count in training of a site that is modelled.",
    )
    max_auc: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.6, description="Limit of the worst attack."
    )
    delta: Annotated[float, Field(gt=0, lt=1)] = Field(
        1e-5, description="Delta of differential privacy."
    )
    epsilon: Annotated[float, Field(gt=0)] | None = Field(
        3.0, description="Epsilon of mode statistics."
    )

    def released(self, individuals: int, whole: int) -> float:
        """Synthetic individuals of a group of `individuals`, in proportion to the `whole`."""
        return individuals if self.synthetic is None else self.synthetic * individuals / whole


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
    train: TrainSections = Field(default_factory=TrainSections)
    cohort: CohortOptions = Field(default_factory=CohortOptions)
    redraw: RedrawOptions = Field(default_factory=RedrawOptions)
    privacy: PrivacyOptions = Field(default_factory=PrivacyOptions)
    generate: GenerateOptions = Field(default_factory=GenerateOptions)
    consensus: ConsensusOptions = Field(default_factory=ConsensusOptions)
    phenotypes: PhenotypeOptions = Field(default_factory=PhenotypeOptions)
    utility: UtilitySection = Field(default_factory=UtilitySection)
    treatment_effects: TrialSection = Field(default_factory=TrialSection)
    star_alleles: StarAlleleSection = Field(default_factory=StarAlleleSection)
    validate_: ValidateOptions = Field(default_factory=ValidateOptions, alias="validate")
    audit: AuditOptions = Field(default_factory=AuditOptions)
    release: ReleaseOptions = Field(default_factory=ReleaseOptions)
    sequences: SequenceOptions = Field(default_factory=SequenceOptions)
    train_sequences: SequenceTrainSections = Field(default_factory=SequenceTrainSections)
    generate_sequences: GenerateSequencesOptions = Field(default_factory=GenerateSequencesOptions)
    validate_sequences: ValidateSequencesOptions = Field(default_factory=ValidateSequencesOptions)
    audit_sequences: AuditSequencesOptions = Field(default_factory=AuditSequencesOptions)

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
