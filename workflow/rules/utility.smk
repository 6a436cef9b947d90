"""
Do daily work with synthetic haplotypes and with real ones, learn treatment effects from them, and
call their star alleles, where the configuration says so.

REQUIRED INPUTS   results/synthetic/{panel}/{generator}/{contig}.*, results/panels/{panel}/*,
                  results/splits/{panel}.tsv
OUTPUTS           results/validation/{panel}/{generator}/utility.tsv, utility.json, effects.tsv,
                  star_alleles.tsv
"""

if settings.utility.enabled:

    rule measure_utility:
        """
        Impute, scan, score and classify with the haplotypes of {wildcards.generator} for
        {wildcards.panel}
          {params.options}
        """
        input:
            synthetic=get_synthetic_pgens,
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
        output:
            table="results/validation/{panel}/{generator}/utility.tsv",
            details="results/validation/{panel}/{generator}/utility.json",
            provenance="results/validation/{panel}/{generator}/utility.provenance.json",
        log:
            "logs/measure_utility/{panel}.{generator}.log",
        benchmark:
            "benchmarks/measure_utility/{panel}.{generator}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(120),
        params:
            synthetic=prefixes("--synthetic"),
            panels=prefixes("--panel"),
            options=config_files.flags(settings.utility, leave_out=("enabled",)),
            seed=job_seed("utility"),
        shell:
            "genoloom utility {params.synthetic} {params.panels} --split {input.split:q} "
            "--out {output.table:q} --details {output.details:q} {params.options} "
            "--seed {params.seed} --log {log:q}"


if settings.treatment_effects.enabled:

    rule learn_treatment_effects:
        """
        Learn the effects of a planted trial from the haplotypes of {wildcards.generator} for
        {wildcards.panel}
          {params.options}
        """
        input:
            synthetic=get_synthetic_pgens,
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
        output:
            table="results/validation/{panel}/{generator}/effects.tsv",
        log:
            "logs/learn_treatment_effects/{panel}.{generator}.log",
        benchmark:
            "benchmarks/learn_treatment_effects/{panel}.{generator}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(60),
        params:
            synthetic=prefixes("--synthetic"),
            panels=prefixes("--panel"),
            options=config_files.flags(
                settings.treatment_effects,
                leave_out=(
                    ("enabled",) if settings.treatment_effects.build else ("enabled", "build")
                ),
            ),
            seed=job_seed("treatment_effects"),
        shell:
            "genoloom treatment-effects {params.synthetic} {params.panels} --split {input.split:q} "
            "--out {output.table:q} {params.options} --seed {params.seed} --log {log:q}"


if settings.star_alleles.enabled:

    rule compare_star_alleles:
        """
        Call star alleles in the haplotypes of {wildcards.generator} for {wildcards.panel}
          {params.options}
        """
        input:
            synthetic=get_synthetic_pgens,
            panel=get_panel_pgens,
            split="results/splits/{panel}.tsv",
        output:
            table="results/validation/{panel}/{generator}/star_alleles.tsv",
        log:
            "logs/compare_star_alleles/{panel}.{generator}.log",
        benchmark:
            "benchmarks/compare_star_alleles/{panel}.{generator}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(30),
        params:
            synthetic=prefixes("--synthetic"),
            panels=prefixes("--panel"),
            options=config_files.flags(
                settings.star_alleles,
                leave_out=("enabled",) if settings.star_alleles.genes else ("enabled", "genes"),
            ),
        shell:
            "genoloom star-alleles {params.synthetic} {params.panels} --split {input.split:q} "
            "--out {output.table:q} {params.options} --log {log:q}"
