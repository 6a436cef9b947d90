"""
Train haplotype generators on the training half. The holdout is no input. With `privacy.mode:
public` copying_network is trained on public individuals instead, and nothing of the cohort is an
input; with `statistics`, what was measured of it with noise.

REQUIRED INPUTS   results/panels/{panel}/{contig}.*, results/splits/{panel}.tsv; in mode public
                  results/templates/{panel}/{contig}.*, made from the registered panel, and in mode
                  statistics results/statistics/{panel}.safetensors as well
OUTPUTS           results/models/{panel}/{generator}/{contig}.safetensors, .json, .history.tsv
"""

if settings.train.transformer.window:

    checkpoint list_windows:
        """
        List the windows in which the transformer of {wildcards.contig} of {wildcards.panel} is
        trained
        """
        input:
            panel=get_trained_panel,
            split=get_trained_split,
        output:
            windows="results/models/{panel}/{generator}/windows/{contig}.tsv",
        log:
            "logs/list_windows/{panel}.{generator}.{contig}.log",
        wildcard_constraints:
            generator="transformer",
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(60),
        params:
            panel=prefixes("--panel"),
            state=training_state,
            options=model_options,
            files=model_files,
            seed=job_seed("train"),
        shell:
            "genoloom train transformer {params.panel} --list-windows {output.windows:q} "
            "--model {output.windows:q}.safetensors --history {output.windows:q}.tsv "
            "--state {params.state:q} {params.options} {params.files} --seed {params.seed} "
            "--log {log:q}"

    rule train_window:
        """
        Train window {wildcards.number} of the transformer of {wildcards.contig} of
        {wildcards.panel}
          {params.options}
        """
        input:
            panel=get_trained_panel,
            split=get_trained_split,
            windows="results/models/{panel}/{generator}/windows/{contig}.tsv",
        output:
            done=touch("results/models/{panel}/{generator}/windows/{contig}.{number}.done"),
        log:
            "logs/train_window/{panel}.{generator}.{contig}.{number}.log",
        benchmark:
            "benchmarks/train_window/{panel}.{generator}.{contig}.{number}.tsv"
        wildcard_constraints:
            generator="transformer",
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
            panel=prefixes("--panel"),
            state=training_state,
            options=model_options,
            files=model_files,
            seed=job_seed("train", of=["panel", "generator", "contig"]),
        shell:
            "genoloom train transformer {params.panel} --only-window {wildcards.number} "
            "--model {output.done:q}.safetensors --history {output.done:q}.tsv "
            "--state {params.state:q} {params.options} {params.files} --seed {params.seed} "
            "--processes {threads} --device {resources.device:q} "
            "--time-limit-minutes {resources.time_limit} --log {log:q}"


rule train_haplotypes:
    """
    Train {wildcards.generator} on {wildcards.contig} of {wildcards.panel}
      {params.options}
    """
    input:
        panel=get_trained_panel,
        split=get_trained_split,
        base=get_base_model,
        statistics=get_statistics,
        windows=get_trained_windows,
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
        runtime=growing(240),
        gpu=training_gpus,
        device=training_device,
        time_limit=time_limit,
    params:
        panel=prefixes("--panel"),
        state=training_state,
        options=model_options,
        privacy=privacy_flags,
        files=model_files,
        seed=job_seed("train"),
    shell:
        "genoloom train {wildcards.generator} {params.panel} {params.privacy} "
        "--model {output.model:q} --history {output.history:q} "
        "--state {params.state:q} {params.options} {params.files} --seed {params.seed} "
        "--processes {threads} --device {resources.device:q} "
        "--time-limit-minutes {resources.time_limit} --log {log:q}"


if settings.privacy.mode != "none":

    rule match_public_panel:
        """
        Match the public panel with {wildcards.panel} on {wildcards.contig}: shared sites, and
        nobody of the cohort
          {params.labels}
        """
        input:
            panel=get_panel_pgens,
            public=get_public_panel,
        output:
            pgen="results/templates/{panel}/{contig}.pgen",
            pvar="results/templates/{panel}/{contig}.pvar.zst",
            psam="results/templates/{panel}/{contig}.psam",
            account="results/templates/{panel}/{contig}.match.json",
            provenance="results/templates/{panel}/{contig}.provenance.json",
        log:
            "logs/match_public_panel/{panel}.{contig}.log",
        benchmark:
            "benchmarks/match_public_panel/{panel}.{contig}.tsv"
        conda:
            "../../envs/variants.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(120),
        params:
            name=settings.privacy.public_panel,
            folder=settings.privacy.folder,
            panels=prefixes("--panel"),
            out=subpath(output.pgen, strip_suffix=".pgen"),
            labels=labels_flag,
        shell:
            "genoloom panel match {params.name} --folder {params.folder:q} {params.panels} "
            "--contig '{wildcards.contig}' --out {params.out:q} {params.labels} --log {log:q}"


if settings.privacy.mode == "statistics":

    rule measure_cohort:
        """
        Measure {wildcards.panel} against the public panel, with noise
          {params.privacy}
        """
        input:
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
            templates=pgens_of("results/templates/{panel}"),
        output:
            statistics="results/statistics/{panel}.safetensors",
            description="results/statistics/{panel}.json",
            provenance="results/statistics/{panel}.provenance.json",
        log:
            "logs/measure_cohort/{panel}.log",
        benchmark:
            "benchmarks/measure_cohort/{panel}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=training_mem_mb,
            runtime=growing(120),
        params:
            panels=prefixes("--panel"),
            templates=prefixes("--templates"),
            privacy=measure_flags,
            budget=budget_file,
            seed=job_seed("statistics", of=["panel"]),
        shell:
            "genoloom panel measure {params.panels} {params.templates} --split {input.split:q} "
            "--out {output.statistics:q} --budget {params.budget:q} {params.privacy} "
            "--seed {params.seed} --log {log:q}"
