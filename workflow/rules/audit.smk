"""
Measure what synthetic haplotypes reveal about the training individuals. As many shadow models of
the learned generators as the configuration names are jobs of their own: they run in parallel. Those
of `auto`, which cost minutes, and those of the baselines are made by the audit.

REQUIRED INPUTS   results/synthetic/{panel}/{generator}/{contig}.*, results/panels/{panel}/*,
                  results/splits/{panel}.tsv,
                  results/models/{panel}/{generator}/{contig}.safetensors
OUTPUTS           results/private/{panel}/{generator}/audit.tsv, audit.json, individuals.tsv,
                  shadow/{number}.safetensors (private),
                  results/validation/{panel}/{generator}/privacy.tsv, leak.json
"""


rule shadow_haplotypes:
    """
    Train shadow model {wildcards.number} of {wildcards.generator} on half of the individuals of
    {wildcards.panel}
      {params.options}
    """
    input:
        synthetic=get_synthetic_pgens,
        panel=get_panel_pgens,
        split="results/splits/{panel}.tsv",
        model=get_models,
    output:
        scores="results/private/{panel}/{generator}/shadow/{number}.safetensors",
    log:
        "logs/shadow_haplotypes/{panel}.{generator}.{number}.log",
    benchmark:
        "benchmarks/shadow_haplotypes/{panel}.{generator}.{number}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=training_mem_mb,
        runtime=growing(240),
        gpu=training_gpus,
    params:
        synthetic=prefixes("--synthetic"),
        panels=prefixes("--panel"),
        models=each("--model", "model"),
        state=shadow_state,
        options=config_files.flags(settings.audit, leave_out=AUDIT_ONLY),
        seed=audit_seed,
    shell:
        "genoloom shadow --number {wildcards.number} {params.synthetic} {params.panels} "
        "--split {input.split:q} {params.models} --out {output.scores:q} "
        "--state {params.state:q} {params.options} --seed {params.seed} --threads {threads} "
        "--log {log:q}"


rule audit_haplotypes:
    """
    Attack the synthetic haplotypes of {wildcards.generator} on {wildcards.panel}
      {params.options}
    """
    input:
        synthetic=get_synthetic_pgens,
        panel=get_panel_pgens,
        split="results/splits/{panel}.tsv",
        baseline=get_baselines("privacy.tsv"),
        model=get_models,
        shadow=get_shadows,
        recipient=settings.audit.recipient or [],
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
        mem_mb=audit_mem_mb,
        runtime=growing(240),
        gpu=audit_gpus,
    params:
        synthetic=prefixes("--synthetic"),
        panels=prefixes("--panel"),
        baselines=each("--baseline", "baseline"),
        models=each("--model", "model"),
        shadows=each("--shadow", "shadow"),
        options=config_files.flags(settings.audit, leave_out=("recipient",)),
        recipient=each("--recipient", "recipient"),
        seed=audit_seed,
    shell:
        "genoloom audit --name {wildcards.generator} {params.synthetic} {params.panels} "
        "--split {input.split:q} {params.baselines} {params.models} "
        "{params.shadows} {params.recipient} --out {output.private:q} --public {output.public:q} "
        "--leak {output.leak:q} {params.options} --seed {params.seed} --log {log:q}"
