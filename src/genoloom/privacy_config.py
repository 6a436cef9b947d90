"""Configuration of modes of privacy, of the audit, of the release gate and of `genoloom plan`."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from genoloom.audit_levels import FEWEST_RESAMPLES
from genoloom.config_section import Section, Share
from genoloom.sequence_config import MAX_AUC

Compared = Literal["public_individuals", "nearest_population", "public_mosaic", "private_twin"]


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
    compared: list[Compared] = Field(
        list(get_args(Compared)),
        description="What the report shows next to data of modes public and statistics: public "
        "individuals of the populations that represent the cohort's, or of the nearest ones, as if "
        "they were synthetic; mosaics of them; and the same network with the cohort's own "
        "haplotypes, without privacy.",
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
        description="Worst fidelity verdict that may leave, of any metric, population and bin; "
        "'overfitted' and 'not run' never pass.",
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
        2, ge=1, description="Smallest minor allele count in training of a site that is modelled."
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
