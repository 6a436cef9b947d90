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
        base=get_base_model,
        public=get_public_panel,
    output:
        model="results/models/{panel}/{generator}/{contig}.safetensors",
        description="results/models/{panel}/{generator}/{contig}.json",
        provenance="results/models/{panel}/{generator}/{contig}.provenance.json",
        history="results/models/{panel}/{generator}/{contig}.history.tsv",
    log:
        "logs/train_haplotypes/{panel}.{generator}.{contig}.log",
    benchmark:
        "benchmarks/train_haplotypes/{panel}.{generator}.{contig}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: training_threads
    resources:
        mem_mb=training_mem_mb,
        runtime=240,
        gpu=training_gpus,
        device=training_device,
        time_limit=time_limit,
    params:
        panel=subpath(input.pgen, strip_suffix=".pgen"),
        state=training_state,
        options=model_options,
        files=model_files,
        seed=job_seed("train"),
    shell:
        "genoloom train {wildcards.generator} --panel {params.panel:q} --split {input.split:q} "
        "--model {output.model:q} --history {output.history:q} "
        "--state {params.state:q} {params.options} {params.files} --seed {params.seed} "
        "--processes {threads} --device {resources.device:q} "
        "--time-limit-minutes {resources.time_limit} --log {log:q}"
