"""The metrics: the identifiers that tables hold, what the report calls them, and which way is
better.
"""

from enum import StrEnum
from typing import Self


class Better(StrEnum):
    """Which way a metric is better; the value is what the report says."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    REFERENCE = "nearer to the reference is better"
    HALF = "nearer to 0.5 is better"


HIGHER, LOWER, REFERENCE, HALF = Better
# what real data the reference of a metric of sequences comes from
HOLDOUT = "held-out sequences"
TRAINING = "training sequences"
TRAINED = "a classifier of training sequences"
CHAIN = "the context mixture of the training sequences"


class _Titled(StrEnum):
    """An identifier with what the report says of it.

    Attributes
    ----------
    title : str
        What the report calls it.
    better : Better
    unit : str
        Of its value; "" for a number without one.
    reference : str
        What real data its reference comes from.
    help : str
        What it says, in one line.
    """

    title: str
    better: Better
    unit: str
    reference: str
    help: str

    def __new__(
        cls,
        value: str,
        title: str,
        better: Better,
        unit: str = "",
        help: str = "",
        reference: str = "other real data against the holdout",
    ) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.title, member.better = title, better
        member.unit, member.help, member.reference = unit, help, reference
        return member


class MetricId(_Titled):
    """A metric; the value is what the column `metric` holds."""

    # of haplotypes
    FREQUENCY_CORRELATION = "frequency_correlation", "Allele frequencies, correlation", HIGHER
    FREQUENCY_ERROR = "frequency_error", "Allele frequencies, mean error", LOWER
    FREQUENCY_DIVERGENCE = "frequency_divergence", "Allele frequencies, divergence", LOWER
    FREQUENCY_FILTERS = (
        "frequency_filters",
        "Frequency filters (1 % and 5 %), decided alike",
        HIGHER,
    )
    JOINT_SPECTRUM_DISTANCE = (
        "joint_spectrum_distance",
        "Joint spectra of populations, distance",
        LOWER,
    )
    SITES_LOST = "sites_lost", "Sites that do not vary", REFERENCE
    PI_ERROR = "pi_error", "Diversity (π) along the genome, error", LOWER
    WATTERSON_ERROR = "watterson_error", "Diversity (Watterson) along the genome, error", LOWER
    TAJIMA_D_ERROR = "tajima_d_error", "Tajima's D along the genome, error", LOWER
    TAJIMA_D = "tajima_d", "Tajima's D", REFERENCE
    DXY_MATRIX_ERROR = "dxy_matrix_error", "Differences between populations (dxy), error", LOWER
    LD_R2_CORRELATION = "ld_r2_correlation", "Linkage between sites (r²), correlation", HIGHER
    LD_R_CORRELATION = "ld_r_correlation", "Linkage between sites (signed r), correlation", HIGHER
    LD_D_PRIME_CORRELATION = (
        "ld_d_prime_correlation",
        "Linkage between sites (D'), correlation",
        HIGHER,
    )
    LD_DECAY_ERROR = "ld_decay_error", "Decay of linkage with distance, error", LOWER
    LD_DECAY_ERROR_CM = "ld_decay_error_cm", "Decay of linkage with genetic distance, error", LOWER
    ASSOCIATION_HITS = "association_hits", "Association hits of planted traits, overlap", HIGHER
    ASSOCIATION_EFFECTS = (
        "association_effects",
        "Association effects of planted traits, slope",
        REFERENCE,
    )
    LDSC_HERITABILITY = (
        "ldsc_heritability",
        "Heritability of planted traits by LD score regression",
        REFERENCE,
    )
    LD_SCORE_SLOPE = "ld_score_slope", "LD scores, slope", REFERENCE
    THREE_POINT_CORRELATION = (
        "three_point_correlation",
        "Linkage of three sites, correlation",
        HIGHER,
    )
    EHH_ERROR = "ehh_error", "Extended haplotype homozygosity, error", LOWER
    NSL_CORRELATION = "nsl_correlation", "Selection scan nSL, correlation", HIGHER
    IHS_CORRELATION = "ihs_correlation", "Selection scan iHS, correlation", HIGHER
    DISTINCT_HAPLOTYPES = "distinct_haplotypes", "Distinct short haplotypes", REFERENCE
    HAPLOTYPE_HOMOZYGOSITY = "haplotype_homozygosity", "Haplotype homozygosity (H1)", REFERENCE
    HAPLOTYPE_H12 = "haplotype_h12", "Haplotype homozygosity (H12)", REFERENCE
    HAPLOTYPE_H2_H1 = "haplotype_h2_h1", "Haplotype homozygosity (H2/H1)", REFERENCE
    HAPLOTYPE_DISTANCE = "haplotype_distance", "Frequencies of short haplotypes, distance", LOWER
    HAPLOTYPE_SPECTRUM_DISTANCE = (
        "haplotype_spectrum_distance",
        "Spectrum of short haplotypes, distance",
        LOWER,
    )
    LONGEST_SHARED_RUN = (
        "longest_shared_run",
        "Longest run shared with holdout individuals",
        REFERENCE,
    )
    SHARED_SEGMENTS = "shared_segments", "Share of the map in long shared runs", REFERENCE
    COPYING_BITS = "copying_bits", "Phase realism, bits per site", REFERENCE
    IMPUTATION_R2 = "imputation_r2", "Imputation from the panel (dosage r²)", HIGHER
    IMPOSSIBLE_HAPLOTYPES = (
        "impossible_haplotypes",
        "Haplotypes with variants that exclude each other",
        LOWER,
    )
    HETEROZYGOSITY_DISTANCE = (
        "heterozygosity_distance",
        "Heterozygosity of individuals, distance",
        LOWER,
    )
    HETEROZYGOSITY_RATIO = (
        "heterozygosity_ratio",
        "Heterozygous calls, observed over expected",
        REFERENCE,
    )
    INBREEDING_SPREAD = "inbreeding_spread", "Inbreeding coefficient, spread", REFERENCE
    HARDY_WEINBERG = "hardy_weinberg", "Sites out of Hardy-Weinberg proportions", REFERENCE
    HOMOZYGOUS_RUNS = "homozygous_runs", "Share of the region in runs of homozygosity", REFERENCE
    REPEATED_INDIVIDUALS = (
        "repeated_individuals",
        "Individuals with a double in the sample",
        REFERENCE,
    )
    LONGEST_HOMOZYGOUS_RUN = (
        "longest_homozygous_run",
        "Longest run of homozygosity, distance",
        LOWER,
    )
    KINSHIP_DISTANCE = "kinship_distance", "Kinship among individuals, distance", LOWER
    CLOSEST_KIN = "closest_kin", "Closest holdout relative, kinship", REFERENCE
    PAIRWISE_DISTANCE_KS = (
        "pairwise_distance_ks",
        "Distances within the sample, KS statistic",
        LOWER,
    )
    PCA_DISTANCE = "pca_distance", "Principal components, distance", LOWER
    PCA_ALIGNMENT = "pca_alignment", "Principal components, alignment", HIGHER
    FST_MATRIX_ERROR = "fst_matrix_error", "Differences between populations (FST), error", LOWER
    FST_FROM_REAL = "fst_from_real", "FST from the real individuals of the same label", LOWER
    POPULATION_TSTR = (
        "population_tstr",
        "Population classifier, trained on synthetic data",
        REFERENCE,
    )
    POPULATION_TRTS = (
        "population_trts",
        "Population classifier, tested on synthetic data",
        REFERENCE,
    )
    ANCESTRY_ERROR = "ancestry_error", "Ancestry shares, error", LOWER
    PRECISION = "precision", "Precision: synthetic rows among real ones", REFERENCE
    RECALL = "recall", "Recall: real rows among synthetic ones", REFERENCE
    DENSITY = "density", "Density of synthetic rows around real ones", REFERENCE
    COVERAGE = "coverage", "Real rows that have a synthetic neighbour", REFERENCE
    AATS_HOLDOUT = "aats_holdout", "Nearest neighbours of real rows (AATS)", HALF
    AATS_SYNTHETIC = "aats_synthetic", "Nearest neighbours of synthetic rows (AATS)", HALF
    MMD = "mmd", "Maximum mean discrepancy", LOWER
    CLASSIFIER_AUC = "classifier_auc", "Classifier, synthetic against real (AUC)", HALF
    SWITCH_ERRORS = "switch_errors", "Switch errors after phasing anew", REFERENCE
    # of sequences
    BITS_PER_BASE = (
        "bits_per_base",
        "Bits per base",
        LOWER,
        "bits",
        "Cost of predicting a base of a holdout sequence",
        CHAIN,
    )
    GC_DISTANCE = (
        "gc_distance",
        "GC content, distance",
        LOWER,
        "GC share",
        "Wasserstein distance of the GC contents of sequences",
    )
    KMER3_DISTANCE = (
        "kmer3_distance",
        "3-mer frequencies, distance",
        LOWER,
        "",
        "Jensen-Shannon distance of the 3-mer spectra",
    )
    KMER6_AUC = (
        "kmer6_auc",
        "6-mer classifier (AUC)",
        HALF,
        "AUC",
        "Whether a linear classifier of 6-mers distinguishes synthetic from real",
    )
    CNN_AUC = (
        "cnn_auc",
        "Convolutional classifier (AUC)",
        HALF,
        "AUC",
        "Whether a convolutional network distinguishes synthetic from real",
    )
    DINUCLEOTIDE_DISTANCE = (
        "dinucleotide_distance",
        "Dinucleotide odds, distance",
        LOWER,
        "odds",
        "Mean difference of the odds of dinucleotides (Karlin's delta)",
    )
    STRAND_ASYMMETRY = (
        "strand_asymmetry",
        "Asymmetry of the strands",
        LOWER,
        "",
        "Jensen-Shannon distance of the 4-mers of both strands",
        TRAINING,
    )
    ORF_LENGTH_DISTANCE = (
        "orf_length_distance",
        "Longest open reading frames, distance",
        LOWER,
        "codons",
        "Wasserstein distance of the longest open reading frames",
    )
    ORF_SHARE = (
        "orf_share",
        "Sequences with an open reading frame of 100 codons",
        REFERENCE,
        "share",
        "How many sequences have an open reading frame that chance hardly gives",
        HOLDOUT,
    )
    CODON_USAGE_DISTANCE = (
        "codon_usage_distance",
        "Codon usage, distance",
        LOWER,
        "",
        "Jensen-Shannon distance of the codons in frame",
    )
    IN_FRAME_STOPS = (
        "in_frame_stops",
        "Stops within the frame",
        REFERENCE,
        "share",
        "Stops among the codons before the last",
        HOLDOUT,
    )
    LABEL_FIDELITY = (
        "label_fidelity",
        "Labels that a classifier reads back",
        HIGHER,
        "score",
        "What a classifier of held-out sequences reads from synthetic ones",
        HOLDOUT,
    )
    LABEL_TRANSFER = (
        "label_transfer",
        "Label classifier, trained on synthetic sequences",
        HIGHER,
        "score",
        "How well a classifier of synthetic sequences reads held-out ones",
        TRAINED,
    )
    LABEL_GC_ONLY = (
        "label_gc_only",
        "Labels read from GC content alone",
        REFERENCE,
        "score",
        "How far GC content alone predicts the label",
        HOLDOUT,
    )
    NEAREST_HOLDOUT_IDENTITY = (
        "nearest_holdout_identity",
        "Identity with the nearest holdout sequence",
        REFERENCE,
        "share",
        "Mean identity with the nearest held-out sequence",
        TRAINING,
    )
    DISTINCT_SHARE = (
        "distinct_share",
        "Different sequences",
        REFERENCE,
        "share",
        "Different sequences among all",
        HOLDOUT,
    )
    MOTIF_CONTENT = (
        "motif_content",
        "Sequences with the motif",
        REFERENCE,
        "share",
        "Sequences that have the motif",
        HOLDOUT,
    )
    MOTIF_AT_PLACE = (
        "motif_at_place",
        "Sequences with the motif at its place",
        REFERENCE,
        "share",
        "Sequences that have the motif where real ones mostly do",
        HOLDOUT,
    )
    MOTIF_POSITION = (
        "motif_position",
        "Places of the motif, distance",
        LOWER,
        "bases",
        "Wasserstein distance of the places of the motif",
    )
    MOTIF_SPACING = (
        "motif_spacing",
        "Spacing of two motifs, distance",
        LOWER,
        "bases",
        "Wasserstein distance of the distances between two motifs",
    )
    KMER4_DISTANCE = (
        "kmer4_distance",
        "4-mer frequencies, distance",
        LOWER,
        "",
        "Jensen-Shannon distance of the 4-mer spectra",
    )
    KMER5_DISTANCE = (
        "kmer5_distance",
        "5-mer frequencies, distance",
        LOWER,
        "",
        "Jensen-Shannon distance of the 5-mer spectra",
    )
    KMER6_DISTANCE = (
        "kmer6_distance",
        "6-mer frequencies, distance",
        LOWER,
        "",
        "Jensen-Shannon distance of the 6-mer spectra",
    )
    KMER8_DISTANCE = (
        "kmer8_distance",
        "8-mer frequencies, distance",
        LOWER,
        "",
        "Jensen-Shannon distance of the 8-mer spectra",
    )
    # of both: the row that counts the others
    OVERALL = "overall", "Metrics that do not pass", LOWER


class TaskId(_Titled):
    """A metric of `genoloom utility`, `treatment-effects` or `star-alleles`, as use profiles ask
    for it: the value over that of as many real individuals, whose reference is 1; of star alleles
    that are impossible or lost the value itself, whose reference is 0.
    """

    DOSAGE_R2 = "dosage_r2", "Imputed dosages (r²), over the real panel's", HIGHER
    EFFECT_SLOPE = "effect_slope", "Effects of planted traits, slope on the planted ones", REFERENCE
    SCORE_R2 = "score_r2", "Polygenic scores (r²), over real-trained", HIGHER
    BALANCED_ACCURACY = "balanced_accuracy", "Ancestry called, over real-trained", HIGHER
    PROJECTION_R2 = "projection_r2", "Projection on components, over real ones", HIGHER
    ROOT_PEHE = "root_pehe", "Error of treatment effects, over real-trained", LOWER
    DIPLOTYPE_TV = "diplotype_tv", "Diplotype frequencies, distance over that of real data", LOWER
    STAR_ALLELE_TV = "star_allele_tv", "Star alleles, distance over that of real data", LOWER
    UNMATCHED_HAPLOTYPES = "unmatched_haplotypes", "Haplotypes that no star allele explains", LOWER
    ALLELES_LOST = "alleles_lost", "Star alleles lost", LOWER
