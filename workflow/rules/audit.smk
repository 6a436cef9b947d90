"""
Measure what synthetic haplotypes reveal about the training people.

REQUIRED INPUTS   results/synthetic/{panel}/{generator}/{contig}.*, results/panels/{panel}/*, results/splits/{panel}.tsv,
                  results/models/{panel}/{generator}/{contig}.safetensors
OUTPUTS           results/private/{panel}/{generator}/audit.tsv, audit.json, people.tsv (private),
                  results/validation/{panel}/{generator}/privacy.tsv, leak.json
"""


rule audit_haplotypes:
    """
    Attack the synthetic haplotypes of {wildcards.generator} on {wildcards.panel}
      {params.options}
    """
    input:
        synthetic=get_synthetic_pgens,
        panel=get_panel_pgens,
        split="results/splits/{panel}.tsv",
        control=get_controls("privacy.tsv"),
        model=get_models,
    output:
        private="results/private/{panel}/{generator}/audit.tsv",
        audited="results/private/{panel}/{generator}/audit.json",
        public="results/validation/{panel}/{generator}/privacy.tsv",
        leak="results/validation/{panel}/{generator}/leak.json",
    log:
        "logs/audit_haplotypes/{panel}.{generator}.log",
    benchmark:
        "benchmarks/audit_haplotypes/{panel}.{generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=120 + 60 * settings.audit.shadow_models,
    params:
        synthetic=prefixes("--synthetic"),
        panels=prefixes("--panel"),
        controls=each("--control", "control"),
        models=each("--model", "model"),
        options=config_files.flags(settings.audit),
        seed=job_seed("audit"),
    shell:
        "genoloom audit --name {wildcards.generator} {params.synthetic} {params.panels} --split {input.split:q} "
        "{params.controls} {params.models} --out {output.private:q} --public {output.public:q} --leak {output.leak:q} "
        "{params.options} --seed {params.seed} --log {log:q}"
