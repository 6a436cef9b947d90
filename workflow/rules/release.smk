"""
Bundle what may leave. Not part of `all`: ask for it with the target `release`; the gate may say no.

REQUIRED INPUTS   results/synthetic/{panel}/{generator}/*, results/validation/{panel}/{generator}/fidelity.tsv, privacy.tsv,
                  results/private/{panel}/{generator}/audit.tsv, audit.json, results/models/{panel}/{generator}/{contig}.json,
                  results/splits/{panel}.tsv
OUTPUTS           results/release/{panel}/{generator}/ (only where the gate passes)
"""


rule make_release:
    """
    Judge the synthetic people of {wildcards.generator} on {wildcards.panel}, and bundle them when the gate passes
      {params.options}
    """
    input:
        synthetic=get_synthetic_pgens,
        variants=get_synthetic_variants,
        consensus=get_released_consensus,
        cohort=COHORT,
        fidelity=rules.validate_haplotypes.output.table,
        public=rules.audit_haplotypes.output.public,
        private=rules.audit_haplotypes.output.private,
        audited=rules.audit_haplotypes.output.audited,
        model=get_models,
        split="results/splits/{panel}.tsv",
    output:
        bundle=directory("results/release/{panel}/{generator}"),
    log:
        "logs/make_release/{panel}.{generator}.log",
    benchmark:
        "benchmarks/make_release/{panel}.{generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=120,
    params:
        options=config_files.flags(settings.release),
    shell:
        "genoloom release --results results --panel {wildcards.panel} --generator {wildcards.generator} "
        "--out {output.bundle:q} {params.options} --log {log:q}"


rule release:
    input:
        get_releases(),
