"""
Compare synthetic haplotypes with held-out real individuals.

REQUIRED INPUTS   results/synthetic/{panel}/{generator}/{contig}.*, results/panels/{panel}/*,
                  results/splits/{panel}.tsv
OUTPUTS           results/validation/{panel}/{generator}/fidelity.tsv, details.json,
                  reference_values.json

The first generator measures what real individuals score, for all generators of a panel.
"""


rule validate_haplotypes:
    """
    Measure the fidelity of {wildcards.generator} on {wildcards.panel}
      {params.options}
    """
    input:
        synthetic=get_synthetic_pgens,
        panel=get_panel_pgens,
        split="results/splits/{panel}.tsv",
        baseline=get_baselines("fidelity.tsv"),
        reference_values=get_reference_values,
    output:
        table=report(
            "results/validation/{panel}/{generator}/fidelity.tsv",
            caption="../report/fidelity.rst",
            category="Fidelity",
            subcategory="{panel}",
            labels={"generator": "{generator}"},
        ),
        details="results/validation/{panel}/{generator}/details.json",
        reference_values="results/validation/{panel}/{generator}/reference_values.json",
        provenance="results/validation/{panel}/{generator}/fidelity.provenance.json",
    log:
        "logs/validate_haplotypes/{panel}.{generator}.log",
    benchmark:
        "benchmarks/validate_haplotypes/{panel}.{generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=growing(120),
    params:
        synthetic=prefixes("--synthetic"),
        panels=prefixes("--panel"),
        baselines=each("--baseline", "baseline"),
        options=config_files.flags(settings.validate_),
        reference_values=each("--reference-values", "reference_values"),
        seed=panel_seed("validate"),
    shell:
        "genoloom validate --name {wildcards.generator} {params.synthetic} {params.panels} "
        "--split {input.split:q} {params.baselines} {params.reference_values} "
        "--out {output.table:q} "
        "--details {output.details:q} {params.options} --seed {params.seed} --log {log:q}"
