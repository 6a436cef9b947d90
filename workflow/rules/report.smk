"""
Write the public report.

REQUIRED INPUTS   results/validation/**, and the descriptions and histories of results/models/**
OUTPUTS           results/report/index.html, its plots (plots/**.svg) and its numbers: summary.txt,
                  summary.tsv, metrics.tsv, attacks.tsv, report.json
"""


rule write_report:
    """
    Write the report of all panels and sequence sets
    """
    input:
        get_report_inputs,
    output:
        html=report(
            "results/report/index.html",
            caption="../report/report.rst",
            category="Report",
        ),
        plots=report(
            directory("results/report/plots"),
            patterns=["{data_type}/{data}/{plot}.svg"],
            caption="../report/plot.rst",
            category="Plots",
            subcategory="{data}",
            labels={"data": "{data_type}", "plot": "{plot}"},
        ),
        table="results/report/summary.tsv",
        uses="results/report/uses.tsv",
        text="results/report/summary.txt",
        metrics="results/report/metrics.tsv",
        attacks=report(
            "results/report/attacks.tsv",
            caption="../report/attacks.rst",
            category="Privacy",
        ),
        numbers="results/report/report.json",
    log:
        "logs/write_report/report.log",
    benchmark:
        "benchmarks/write_report/report.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        results=subpath(output.html, ancestor=2),
        shown=" ".join(
            [f"--panel {name}" for name in panels]
            + [f"--generator {name}" for name in generators]
            + [f"--sequence-set {name}" for name in sequence_sets]
            + [f"--sequence-generator {name}" for name in sequence_generators]
            + ["--comparison"] * compares_with_public()
            + ["--utility"] * settings.utility.enabled
            + ["--effects"] * settings.treatment_effects.enabled
            + ["--star-alleles"] * settings.star_alleles.enabled
        ),
    shell:
        "genoloom report --results {params.results:q} {params.shown} --out {output.html:q} "
        "--log {log:q}"
