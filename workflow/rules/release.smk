"""
Bundle what may leave. Not part of `all`: ask for it with the target `release`; the gate may say no.

REQUIRED INPUTS   the whole chain of one generator, each with its record of provenance: the files of
                  the sheet of panels, results/panels/{panel}/*, results/splits/{panel}.tsv,
                  results/models/{panel}/{generator}/{contig}.*,
                  results/synthetic/{panel}/{generator}/*,
                  results/validation/{panel}/{generator}/fidelity.tsv, privacy.tsv (and the tables
                  of the baselines), reference_values.json,
                  results/private/{panel}/{generator}/audit.tsv, audit.json
OUTPUTS           results/release/{panel}/{generator}/ (only where the gate passes); with the target
                  `release_sequences`, results/release/sequences/{set}/{generator}/
"""


rule make_release:
    """
    Judge the synthetic individuals of {wildcards.generator} on {wildcards.panel}, and bundle them
    when the gate passes
      {params.options}
    """
    input:
        sheet=settings.panels or [],
        raw=get_raw_inputs,
        panel=get_panel_pgens,
        summary="results/panels/{panel}/summary.json",
        summaries=each_contig("results/panels/{panel}/{contig}.summary.json"),
        split="results/splits/{panel}.tsv",
        model=get_models,
        description=each_contig("results/models/{panel}/{generator}/{contig}.json"),
        cohort=COHORT,
        synthetic=get_synthetic_pgens,
        variants=get_synthetic_variants,
        consensus=get_released_consensus,
        fidelity=rules.validate_haplotypes.output.table,
        reference_values=rules.validate_haplotypes.output.reference_values,
        public=rules.audit_haplotypes.output.public,
        private=rules.audit_haplotypes.output.private,
        audited=rules.audit_haplotypes.output.audited,
        shadow=get_shadows,
        baselines=lambda wildcards: get_baselines("fidelity.tsv")(wildcards)
        + get_baselines("privacy.tsv")(wildcards),
        records=get_records,
        templates=get_templates,
    output:
        bundle=directory("results/release/{panel}/{generator}"),
    log:
        "logs/make_release/{panel}.{generator}.log",
    benchmark:
        "benchmarks/make_release/{panel}.{generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=genotype_mem_mb,
        runtime=growing(120),
    params:
        results=subpath(output.bundle, ancestor=3),
        options=config_files.flags(settings.release),
        public=lambda wildcards: (
            f"--public-panels {shlex.quote(settings.privacy.folder)}"
            if of_public_individuals(wildcards)
            else ""
        ),
    shell:
        "genoloom release --results {params.results:q} --panel {wildcards.panel} "
        "--generator {wildcards.generator} --sheet {input.sheet:q} "
        "--out {output.bundle:q} {params.options} {params.public} --log {log:q}"


rule make_sequence_release:
    """
    Judge the synthetic sequences of {wildcards.sequence_generator} on {wildcards.set}, and bundle
    them when the gate passes
      {params.options}
    """
    input:
        synthetic=rules.generate_sequences.output.fasta,
        train=rules.prepare_sequences.output.train,
        holdout=rules.prepare_sequences.output.holdout,
        model=rules.train_sequences.output.model,
        description=rules.train_sequences.output.description,
        fidelity=rules.validate_sequences.output.table,
        record=rules.validate_sequences.output.record,
        private=rules.audit_sequences.output.private,
        audited=rules.audit_sequences.output.audited,
        public=rules.audit_sequences.output.public,
    output:
        bundle=directory("results/release/sequences/{set}/{sequence_generator}"),
    log:
        "logs/make_sequence_release/{set}.{sequence_generator}.log",
    benchmark:
        "benchmarks/make_sequence_release/{set}.{sequence_generator}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        results=subpath(output.bundle, ancestor=4),
        options=config_files.flags(settings.release),
    shell:
        "genoloom sequences release --results {params.results:q} --sequence-set {wildcards.set} "
        "--generator {wildcards.sequence_generator} --out {output.bundle:q} {params.options} "
        "--log {log:q}"


rule release:
    input:
        get_releases(),


rule release_sequences:
    input:
        expand(
            "results/release/sequences/{set}/{generator}",
            set=sequence_sets,
            generator=settings.sequence_generators if sequence_sets else [],
        ),
