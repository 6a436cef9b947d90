"""
Turn genotype files into panels, and divide their individuals.

REQUIRED INPUTS   the files of the sheet of panels
OUTPUTS           results/panels/{panel}/{contig}.*, results/panels/{panel}/summary.json,
                  results/splits/{panel}.tsv
"""


rule prepare_panel:
    """
    Check {wildcards.contig} of {wildcards.panel} and keep its biallelic, phased sites
      {params.options}
    """
    input:
        unpack(get_panel_inputs),
    output:
        pgen="results/panels/{panel}/{contig}.pgen",
        pvar="results/panels/{panel}/{contig}.pvar.zst",
        psam="results/panels/{panel}/{contig}.psam",
        rejected="results/panels/{panel}/{contig}.rejected.tsv.gz",
        summary="results/panels/{panel}/{contig}.summary.json",
        provenance="results/panels/{panel}/{contig}.provenance.json",
    log:
        "logs/prepare_panel/{panel}.{contig}.log",
    benchmark:
        "benchmarks/prepare_panel/{panel}.{contig}.tsv"
    conda:
        "../../envs/variants.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=growing(120),
    params:
        files=file_flags,
        region=get_region,
        out=subpath(output.pgen, strip_suffix=".pgen"),
        options=config_files.flags(settings.prepare),
    shell:
        "genoloom prepare {params.files} {params.region} --contig '{wildcards.contig}' "
        "--out {params.out:q} {params.options} --log {log:q}"


rule split_individuals:
    """
    Divide the individuals of {wildcards.panel} by family and population
      {params.options}
    """
    input:
        panel=get_panel_pgens,
        summary=each_contig("results/panels/{panel}/{contig}.summary.json"),
        pedigree=settings.split.pedigree or [],
    output:
        split="results/splits/{panel}.tsv",
        summary="results/panels/{panel}/summary.json",
        provenance="results/splits/{panel}.provenance.json",
    log:
        "logs/split_individuals/{panel}.log",
    benchmark:
        "benchmarks/split_individuals/{panel}.tsv"
    conda:
        "../../envs/variants.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=growing(60),
    params:
        panels=prefixes("--panel"),
        options=config_files.flags(settings.split, leave_out=("pedigree",)),
        pedigree=each("--pedigree", "pedigree"),
        seed=job_seed("split"),
    shell:
        "genoloom split {params.panels} {params.pedigree} --out {output.split:q} "
        "--summary {output.summary:q} {params.options} --seed {params.seed} --log {log:q}"
