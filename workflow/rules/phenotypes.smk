"""
Give real and synthetic individuals phenotypes of the same known truth, where the configuration
names a trait sheet.

REQUIRED INPUTS   results/panels/{panel}/*, results/synthetic/{panel}/{generator}/*
OUTPUTS           results/private/{panel}/phenotypes/effects.json, real.pheno ...;
                  results/synthetic/{panel}/{generator}/phenotypes.pheno ...
"""

if settings.phenotypes.traits:

    rule draw_phenotypes:
        """
        Draw the effects of all traits on the individuals of {wildcards.panel}
        """
        input:
            panel=get_panel_pgens,
            traits=settings.phenotypes.traits,
            named=get_trait_files(),
        output:
            effects="results/private/{panel}/phenotypes/effects.json",
            tables=phenotype_tables("results/private/{panel}/phenotypes/real"),
        log:
            "logs/draw_phenotypes/{panel}.log",
        benchmark:
            "benchmarks/draw_phenotypes/{panel}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(60),
        params:
            variants=each("--variants", "panel", ".pgen"),
            out=lambda wildcards, output: output.tables[0].removesuffix(".pheno"),
            seed=job_seed("phenotypes"),
        shell:
            "genoloom phenotypes {params.variants} --traits {input.traits:q} "
            "--effects {output.effects:q} --out {params.out:q} --seed {params.seed} --log {log:q}"

    rule apply_phenotypes:
        """
        Give the synthetic individuals of {wildcards.generator} for {wildcards.panel} the same
        traits
        """
        input:
            synthetic=get_synthetic_pgens,
            effects="results/private/{panel}/phenotypes/effects.json",
        output:
            tables=phenotype_tables("results/synthetic/{panel}/{generator}/phenotypes"),
        log:
            "logs/apply_phenotypes/{panel}.{generator}.log",
        benchmark:
            "benchmarks/apply_phenotypes/{panel}.{generator}.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: 1
        resources:
            mem_mb=genotype_mem_mb,
            runtime=growing(60),
        params:
            variants=each("--variants", "synthetic", ".pgen"),
            out=lambda wildcards, output: output.tables[0].removesuffix(".pheno"),
            seed=job_seed("phenotypes"),
        shell:
            "genoloom phenotypes {params.variants} --effects {input.effects:q} "
            "--out {params.out:q} --seed {params.seed} --log {log:q}"
