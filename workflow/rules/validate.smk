"""
Compare synthetic haplotypes with held-out real individuals.

REQUIRED INPUTS   results/synthetic/{panel}/{generator}/{contig}.*, results/panels/{panel}/*,
                  results/splits/{panel}.tsv; in modes public and statistics also
                  results/templates/{panel}/* and the models of copying_network
OUTPUTS           results/validation/{panel}/{generator}/fidelity.tsv, details.json,
                  reference_values.json; in these modes results/validation/{panel}/comparison/*

The first generator measures what real individuals score, for all generators of a panel.
"""

if settings.validate_.window:

    rule validate_window:
        """
        Sum what the validation of {wildcards.generator} on {wildcards.panel} reads in window
        {wildcards.number} of {wildcards.jobs}
          {params.options}
        """
        input:
            synthetic=get_synthetic_pgens,
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
            reference_values=get_reference_values,
        output:
            sums=temp(WINDOW_SUMS),
        log:
            "logs/validate_window/{panel}.{generator}.{number}of{jobs}.log",
        benchmark:
            "benchmarks/validate_window/{panel}.{generator}.{number}of{jobs}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=growing(2500),
            runtime=growing(60),
        params:
            synthetic=prefixes("--synthetic"),
            panels=prefixes("--panel"),
            options=config_files.flags(settings.validate_),
            reference_values=each("--reference-values", "reference_values"),
            seed=job_seed("validate", of=["panel"]),
        shell:
            "genoloom validate {params.synthetic} {params.panels} --split {input.split:q} "
            "{params.reference_values} --part {wildcards.number}/{wildcards.jobs} "
            "--out {output.sums:q} {params.options} --seed {params.seed} --log {log:q}"


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
        parts=get_window_sums,
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
        mem_mb=validation_mem_mb,
        runtime=growing(120),
    params:
        synthetic=prefixes("--synthetic"),
        panels=prefixes("--panel"),
        baselines=each("--baseline", "baseline"),
        options=config_files.flags(settings.validate_),
        reference_values=each("--reference-values", "reference_values"),
        parts=each("--parts", "parts"),
        seed=job_seed("validate", of=["panel"]),
    shell:
        "genoloom validate --name {wildcards.generator} {params.synthetic} {params.panels} "
        "--split {input.split:q} {params.baselines} {params.reference_values} "
        "{params.parts} --out {output.table:q} "
        "--details {output.details:q} {params.options} --seed {params.seed} --log {log:q}"


if compares_with_public():

    rule compare_with_public:
        """
        Judge public individuals of {wildcards.panel}, mosaics of them, and what copying_network
        makes of the cohort's own haplotypes
          {params.rows} {params.labels}
        """
        input:
            synthetic=pgens_of("results/synthetic/{panel}/copying_network"),
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
            templates=pgens_of("results/templates/{panel}"),
            model=each_contig("results/models/{panel}/copying_network/{contig}.safetensors"),
            reference_values="results/validation/{panel}/copying_network/reference_values.json",
        output:
            table=f"{COMPARISON}/fidelity.tsv",
            attacks=f"{COMPARISON}/privacy.tsv",
        log:
            "logs/compare_with_public/{panel}.log",
        benchmark:
            "benchmarks/compare_with_public/{panel}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=training_mem_mb,
            runtime=growing(240),
        params:
            synthetic=prefixes("--synthetic"),
            panels=prefixes("--panel"),
            templates=prefixes("--templates"),
            models=each("--model", "model"),
            rows=" ".join(f"--row {name}" for name in settings.privacy.compared),
            labels=labels_flag,
            validation=config_files.flags(settings.validate_),
            audit=config_files.flags(settings.audit, leave_out=("recipient",)),
            reference_values=each("--reference-values", "reference_values"),
            seed=job_seed("validate", of=["panel"]),
        shell:
            "genoloom panel compare {params.synthetic} {params.panels} --split {input.split:q} "
            "{params.templates} {params.models} {params.rows} {params.labels} "
            "{params.reference_values} --out {output.table:q} --public {output.attacks:q} "
            "{params.validation} {params.audit} --seed {params.seed} --log {log:q}"
