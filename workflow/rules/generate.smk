"""
Make the synthetic individuals, their haplotypes and their personal FASTA.

REQUIRED INPUTS   results/models/{panel}/{generator}/{contig}.safetensors
OUTPUTS           results/synthetic/{panel}/{generator}/cohort.tsv, cohort.fam of families,
                  {contig}.vcf.gz or .bcf, {contig}.pgen ..., {contig}.consensus.fa.gz,
                  {contig}.ancestry.bed and {contig}.autozygous.bed where individuals are admixed or
                  inbred
"""

# true tracts of admixed and of inbred individuals, where the cohort has any
TRACTS = [
    f"results/synthetic/{{panel}}/{{generator}}/{{contig}}.{kind}.bed"
    for kind, asked in [
        ("ancestry", settings.cohort.admixture is not None),
        ("autozygous", settings.cohort.inbreeding > 0),
    ]
    if asked
]
# the sheet that the files are made from; where individuals are redrawn, another one comes before it
COHORT = "results/synthetic/{panel}/{generator}/cohort.tsv"
DRAWN = COHORT.replace("cohort.tsv", "cohort.drawn.tsv") if settings.redraw.enabled else COHORT
get_consensus_parts, get_consensus_indexes = (
    shared(settings.consensus, f".consensus{suffix}", settings.consensus.individuals)
    for suffix in (".fa.gz", ".fa.gz.fai")
)


rule make_cohort:
    """
    Make the synthetic individuals of {wildcards.generator} for {wildcards.panel}
      {params.options}
    """
    input:
        model=get_first_model,
        split=get_trained_split,
    output:
        cohort=DRAWN,
        provenance=DRAWN.replace(".tsv", ".provenance.json"),
        pedigree=[DRAWN.replace(".tsv", ".fam")] if settings.cohort.children else [],
    log:
        "logs/make_cohort/{panel}.{generator}.log",
    benchmark:
        "benchmarks/make_cohort/{panel}.{generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        options=cohort_flags,
        split=each("--split", "split"),
        seed=job_seed("cohort"),
    shell:
        "genoloom cohort --model {input.model:q} {params.split} --out {output.cohort:q} "
        "{params.options} --seed {params.seed} --log {log:q}"


if settings.redraw.enabled:

    rule redraw_individuals:
        """
        Give the individuals of {wildcards.generator} who come too close to a training individual of
        {wildcards.panel} another seed
          {params.options}
        """
        input:
            model=get_models,
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
            cohort=DRAWN,
        output:
            cohort=COHORT,
            provenance=COHORT.replace(".tsv", ".provenance.json"),
            summary="results/synthetic/{panel}/{generator}/redraw.json",
        log:
            "logs/redraw_individuals/{panel}.{generator}.log",
        benchmark:
            "benchmarks/redraw_individuals/{panel}.{generator}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(240),
        params:
            models=each("--model", "model"),
            panels=prefixes("--panel"),
            options=config_files.flags(settings.redraw),
        shell:
            "genoloom redraw {params.models} --cohort {input.cohort:q} {params.panels} "
            "--split {input.split:q} --out {output.cohort:q} "
            "--summary {output.summary:q} {params.options} --threads {threads} --log {log:q}"


if settings.scale.window or settings.validate_.window:

    localrules:
        size_contig,

    checkpoint size_contig:
        """
        Count what {wildcards.generator} draws of {wildcards.contig} of {wildcards.panel}
        """
        input:
            model="results/models/{panel}/{generator}/{contig}.safetensors",
            cohort=COHORT,
        output:
            size="results/synthetic/{panel}/{generator}/parts/{contig}.tsv",
        log:
            "logs/size_contig/{panel}.{generator}.{contig}.log",
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=growing(1500),
            runtime=growing(10),
        shell:
            "genoloom generate --model {input.model:q} --cohort {input.cohort:q} "
            "--size --out {output.size:q} --log {log:q}"


if may_be_shared(settings.generate):

    rule generate_part:
        """
        Sample {wildcards.contig} of part {wildcards.number} of {wildcards.jobs} of the synthetic
        individuals with {wildcards.generator}
        """
        input:
            model="results/models/{panel}/{generator}/{contig}.safetensors",
            cohort=COHORT,
        output:
            part=temp(f"{PART}.safetensors"),
        log:
            "logs/generate_part/{panel}.{generator}.{contig}.{number}of{jobs}.log",
        benchmark:
            "benchmarks/generate_part/{panel}.{generator}.{contig}.{number}of{jobs}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(240),
        params:
            options=config_files.flags(settings.generate, leave_out=("jobs", "format")),
        shell:
            "genoloom generate --model {input.model:q} --cohort {input.cohort:q} "
            "--part {wildcards.number}/{wildcards.jobs} --out {output.part:q} {params.options} "
            "--threads {threads} --log {log:q}"


rule generate_haplotypes:
    """
    Sample {wildcards.contig} of the synthetic individuals with {wildcards.generator}
      {params.options}
    The index next to is .tbi or .csi by the length of the contig, which is not known here: it is no
    output of the rule.
    """
    input:
        model="results/models/{panel}/{generator}/{contig}.safetensors",
        cohort=COHORT,
        parts=shared(settings.generate, ".safetensors"),
    output:
        variants=f"results/synthetic/{{panel}}/{{generator}}/{{contig}}.{variants_suffix}",
        pgen="results/synthetic/{panel}/{generator}/{contig}.pgen",
        pvar="results/synthetic/{panel}/{generator}/{contig}.pvar.zst",
        psam="results/synthetic/{panel}/{generator}/{contig}.psam",
        provenance="results/synthetic/{panel}/{generator}/{contig}.provenance.json",
        tracts=TRACTS,
    log:
        "logs/generate_haplotypes/{panel}.{generator}.{contig}.log",
    benchmark:
        "benchmarks/generate_haplotypes/{panel}.{generator}.{contig}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=growing(240),
    params:
        options=config_files.flags(settings.generate, leave_out=("jobs",)),
        parts=each("--parts", "parts"),
        seed=job_seed("generate"),
    shell:
        "genoloom generate --model {input.model:q} --cohort {input.cohort:q} {params.parts} "
        "--out {output.variants:q} {params.options} --seed {params.seed} --threads {threads} "
        "--log {log:q}"


FASTA_SUFFIXES = (".fa.gz", ".fa.gz.fai", ".fa.gz.gzi")
if may_be_shared(settings.consensus):

    rule write_consensus_part:
        """
        Write personal haplotype FASTA of part {wildcards.number} of {wildcards.jobs} of the first
        {params.individuals} synthetic individuals
        """
        input:
            variants=rules.generate_haplotypes.output.variants,
            provenance=rules.generate_haplotypes.output.provenance,
            reference=lambda wildcards: get_panel_row(wildcards).reference,
        output:
            [temp(f"{PART}.consensus{suffix}") for suffix in FASTA_SUFFIXES],
        log:
            "logs/write_consensus_part/{panel}.{generator}.{contig}.{number}of{jobs}.log",
        benchmark:
            "benchmarks/write_consensus_part/{panel}.{generator}.{contig}.{number}of{jobs}.tsv"
        conda:
            "../../envs/variants.yaml"
        threads: 1
        resources:
            mem_mb=growing(1500),
            runtime=growing(120),
        params:
            individuals=settings.consensus.individuals,
        shell:
            "genoloom consensus --variants {input.variants:q} --reference {input.reference:q} "
            "--part {wildcards.number}/{wildcards.jobs} --out {output[0]:q} "
            "--individuals {params.individuals} --log {log:q}"


rule write_consensus:
    """
    Write personal haplotype FASTA of the first {params.individuals} synthetic individuals
    """
    input:
        variants=rules.generate_haplotypes.output.variants,
        provenance=rules.generate_haplotypes.output.provenance,
        reference=lambda wildcards: get_panel_row(wildcards).reference,
        parts=get_consensus_parts,
        indexes=get_consensus_indexes,
    output:
        fasta="results/synthetic/{panel}/{generator}/{contig}.consensus.fa.gz",
        fai="results/synthetic/{panel}/{generator}/{contig}.consensus.fa.gz.fai",
        gzi="results/synthetic/{panel}/{generator}/{contig}.consensus.fa.gz.gzi",
    log:
        "logs/write_consensus/{panel}.{generator}.{contig}.log",
    benchmark:
        "benchmarks/write_consensus/{panel}.{generator}.{contig}.tsv"
    conda:
        "../../envs/variants.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(120),
    params:
        individuals=settings.consensus.individuals,
        parts=each("--parts", "parts"),
    shell:
        "genoloom consensus --variants {input.variants:q} --reference {input.reference:q} "
        "{params.parts} --out {output.fasta:q} --individuals {params.individuals} --log {log:q}"


onsuccess:
    # Snakemake has dated the genotype files when their jobs ended; htslib warns of older indexes
    for index in Path("results/synthetic").glob("*/*/*.[ct][sb]i"):
        if made_together(index, index.with_suffix("")):
            index.touch()
