"""
DNA sequences: prepare, train, generate, validate, audit.

REQUIRED INPUTS   the files of the sheet of sequence sets
OUTPUTS           results/sequence_sets/{set}/*, results/models/sequences/{set}/*,
                  results/sequences/{set}/*, results/validation/sequences/{set}/*,
                  results/private/sequences/{set}/* (private)
"""


rule prepare_sequences:
    """
    Cut {wildcards.set} into windows and divide them by homology
      {params.options}
    """
    input:
        unpack(get_sequence_inputs),
    output:
        train="results/sequence_sets/{set}/train.fa.gz",
        holdout="results/sequence_sets/{set}/holdout.fa.gz",
        rejected="results/sequence_sets/{set}/rejected.tsv.gz",
        summary="results/sequence_sets/{set}/summary.json",
    log:
        "logs/prepare_sequences/{set}.log",
    benchmark:
        "benchmarks/prepare_sequences/{set}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        files=file_flags,
        out=subpath(output.train, parent=True),
        options=config_files.flags(settings.sequences),
        seed=job_seed("prepare_sequences"),
    shell:
        "genoloom sequences prepare {params.files} --out {params.out:q} {params.options} "
        "--seed {params.seed} --log {log:q}"


rule train_sequences:
    """
    Train {wildcards.sequence_generator} on the sequences of {wildcards.set}
      {params.options}
    """
    input:
        train=rules.prepare_sequences.output.train,
        summary=rules.prepare_sequences.output.summary,
    output:
        model="results/models/sequences/{set}/{sequence_generator}.safetensors",
        description="results/models/sequences/{set}/{sequence_generator}.json",
        history="results/models/sequences/{set}/{sequence_generator}.history.tsv",
    log:
        "logs/train_sequences/{set}.{sequence_generator}.log",
    benchmark:
        "benchmarks/train_sequences/{set}.{sequence_generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: training_threads
    resources:
        mem_mb=training_mem_mb,
        runtime=growing(240),
        gpu=training_gpus,
        device=training_device,
        time_limit=time_limit,
    params:
        state=training_state,
        options=model_options,
        files=model_files,
        seed=job_seed("train_sequences"),
    shell:
        "genoloom sequences train {wildcards.sequence_generator} --train {input.train:q} "
        "--model {output.model:q} --history {output.history:q} "
        "--state {params.state:q} {params.options} {params.files} --seed {params.seed} "
        "--processes {threads} --device {resources.device:q} "
        "--time-limit-minutes {resources.time_limit} --log {log:q}"


rule generate_sequences:
    """
    Sample sequences with {wildcards.sequence_generator}
      {params.options}
    """
    input:
        model=rules.train_sequences.output.model,
    output:
        fasta="results/sequences/{set}/{sequence_generator}.fa.gz",
    log:
        "logs/generate_sequences/{set}.{sequence_generator}.log",
    benchmark:
        "benchmarks/generate_sequences/{set}.{sequence_generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        options=config_files.flags(settings.generate_sequences),
        seed=job_seed("generate_sequences"),
    shell:
        "genoloom sequences generate --model {input.model:q} "
        "--out {output.fasta:q} {params.options} --seed {params.seed} --threads {threads} "
        "--log {log:q}"


rule validate_sequences:
    """
    Compare the sequences of {wildcards.sequence_generator} with held-out real ones
      {params.options}
    """
    input:
        synthetic=rules.generate_sequences.output.fasta,
        train=rules.prepare_sequences.output.train,
        holdout=rules.prepare_sequences.output.holdout,
        model=rules.train_sequences.output.model,
        baseline=get_sequence_baselines("fidelity.tsv"),
        motifs=motif_files,
    output:
        table="results/validation/sequences/{set}/{sequence_generator}/fidelity.tsv",
        record="results/validation/sequences/{set}/{sequence_generator}/fidelity.provenance.json",
        details="results/validation/sequences/{set}/{sequence_generator}/details.json",
    log:
        "logs/validate_sequences/{set}.{sequence_generator}.log",
    benchmark:
        "benchmarks/validate_sequences/{set}.{sequence_generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        baselines=each("--baseline", "baseline"),
        options=config_files.flags(
            settings.validate_sequences, leave_out=("motifs",) if motif_files else ()
        ),
        motifs=each("--motifs", "motifs"),
        seed=job_seed("validate_sequences"),
    shell:
        "genoloom sequences validate --name {wildcards.sequence_generator} "
        "--synthetic {input.synthetic:q} --train {input.train:q} --holdout {input.holdout:q} "
        "--model {input.model:q} {params.baselines} --out {output.table:q} "
        "--details {output.details:q} {params.motifs} {params.options} --seed {params.seed} "
        "--log {log:q}"


rule audit_sequences:
    """
    Attack the sequences of {wildcards.sequence_generator} on {wildcards.set}
      {params.options}
    """
    input:
        synthetic=rules.generate_sequences.output.fasta,
        train=rules.prepare_sequences.output.train,
        holdout=rules.prepare_sequences.output.holdout,
        model=rules.train_sequences.output.model,
        baseline=get_sequence_baselines("privacy.tsv"),
    output:
        private="results/private/sequences/{set}/{sequence_generator}/audit.tsv",
        audited="results/private/sequences/{set}/{sequence_generator}/audit.json",
        public="results/validation/sequences/{set}/{sequence_generator}/privacy.tsv",
    log:
        "logs/audit_sequences/{set}.{sequence_generator}.log",
    benchmark:
        "benchmarks/audit_sequences/{set}.{sequence_generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        baselines=each("--baseline", "baseline"),
        options=config_files.flags(settings.audit_sequences),
        seed=job_seed("audit_sequences"),
    shell:
        "genoloom sequences audit --name {wildcards.sequence_generator} "
        "--synthetic {input.synthetic:q} --train {input.train:q} --holdout {input.holdout:q} "
        "--model {input.model:q} {params.baselines} --out {output.private:q} "
        "--public {output.public:q} {params.options} --seed {params.seed} --log {log:q}"
