"""
Train haplotype generators on the training half. The holdout is no input.

REQUIRED INPUTS   results/panels/{panel}/{contig}.*, results/splits/{panel}.tsv
OUTPUTS           results/models/{panel}/{generator}/{contig}.safetensors, .json, .history.tsv
"""


rule train_haplotypes:
    """
    Train {wildcards.generator} on {wildcards.contig} of {wildcards.panel}
      {params.options}
    """
    input:
        pgen="results/panels/{panel}/{contig}.pgen",
        pvar="results/panels/{panel}/{contig}.pvar.zst",
        psam="results/panels/{panel}/{contig}.psam",
        split="results/splits/{panel}.tsv",
    output:
        model="results/models/{panel}/{generator}/{contig}.safetensors",
        description="results/models/{panel}/{generator}/{contig}.json",
        history="results/models/{panel}/{generator}/{contig}.history.tsv",
    log:
        "logs/train_haplotypes/{panel}.{generator}.{contig}.log",
    benchmark:
        "benchmarks/train_haplotypes/{panel}.{generator}.{contig}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=training_mem_mb,
        runtime=240,
        gpu=training_gpus,
    params:
        panel=subpath(input.pgen, strip_suffix=".pgen"),
        # no output: Snakemake removes the outputs of a failed job, and the state must outlive it
        state="results/.state/{panel}/{generator}/{contig}",
        options=train_flags,
        seed=job_seed("train"),
    shell:
        "genoloom train {wildcards.generator} --panel {params.panel:q} --split {input.split:q} "
        "--model {output.model:q} --history {output.history:q} --state {params.state:q} "
        "{params.options} --seed {params.seed} --threads {threads} --log {log:q}"
