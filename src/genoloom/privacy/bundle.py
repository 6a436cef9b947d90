"""The words of a release: README and the research-object description. Evidence, not promises."""

import json
import mimetypes
import os
from datetime import UTC, datetime
from math import isnan

from genoloom.privacy.accounting import largest_auc, largest_rate_of_gaussian
from genoloom.privacy.attack_ids import AttackId, Measure
from genoloom.privacy.rows import AttackRow
from genoloom.records import shown
from genoloom.validation.rows import MetricRow

MEDIA_TYPES = {
    ".vcf.gz": "application/vnd.ga4gh.vcf+gzip", ".tbi": "application/x-tabix-index",
    ".csi": "application/x-csi-index",
    ".bcf": "application/vnd.ga4gh.bcf", ".pgen": "application/x-plink2-pgen",
    ".pvar.zst": "application/zstd",
    ".psam": "text/tab-separated-values", ".tsv": "text/tab-separated-values",
    ".fa.gz": "application/x-fasta+gzip",
    ".fai": "text/tab-separated-values", ".gzi": "application/octet-stream", ".bed": "text/x-bed",
    ".md": "text/markdown",
}  # fmt: skip


# of the README of what was made from public individuals
PUBLIC_MODE = (
    "Mode `public`: of the cohort `{}` only the list of its sites, and size and mix of its "
    "populations as somebody typed them, had a part in these data. The gate compared the templates "
    "in the model with the registered panel, and found nobody of the cohort among them. Below, "
    "training individuals are individuals of the cohort as well."
)
STATISTICS_MODE = (
    "Mode `statistics`: of the cohort `{}` the list of its sites, size and mix of its populations "
    "as somebody typed them, and statistics of its training individuals had a part in these data. "
    "The gate compared the templates in the model with the registered panel, and found nobody of "
    "the cohort among them. Below, training individuals are individuals of the cohort as well."
)
NO_GUARANTEE = (
    "The statistics are counts of block haplotypes without noise, of at least 5 carriers each. "
    "That is no guarantee for anybody; what speaks for these data are the attacks below alone."
)


def _guarantee(privacy: dict) -> str:
    """What noised statistics guarantee, in words."""
    if privacy["epsilon"] is None:
        return NO_GUARANTEE
    epsilon, delta, mu = privacy["epsilon"], privacy["delta"], privacy["mu"]
    return (
        f"The statistics are differentially private with epsilon {epsilon:g} and delta {delta:g} "
        "for each individual (both haplotypes, all contigs; neighbours have one individual more or "
        "fewer), all measurements of the cohort until then together. Whatever anybody computes "
        f"from these data, and knows besides, finds at most {largest_rate_of_gaussian(mu):.1%} of "
        "the cohort's individuals at 1 % false positives (AUC at most "
        f"{largest_auc(mu):.3f}). Not covered are the list of sites, who is left out of the "
        "public panel, and the metrics of the tables."
    )


def readme(facts: dict, attacks: list[AttackRow], metrics: list[MetricRow]) -> str:
    """The README of a bundle.

    Parameters
    ----------
    facts : dict
        panel, generator, version, date, individuals, contigs (list of (name, sites)),
        training_individuals, min_carriers, max_auc, redrawn, seed, compared (individuals per role
        of the audit, as a text), not_compared (further synthetic individuals), raw_input (whether
        it was compared with the panel), thresholds (of `loosened_thresholds`), public (what the
        templates are, where they are public individuals), guarantee (of a model that knows
        statistics of the cohort: see `genoloom.formats.statistics_files.Guarantee`), title,
        description, data.
    attacks : list of AttackRow
        Rows of the public privacy table that are of the generator and of everybody.
    metrics : list of MetricRow
        Rows of the fidelity table likewise.
    """
    worst = next(row for row in attacks if row.attack is AttackId.WORST)
    sites = ", ".join(f"{contig} ({n:,} sites)" for contig, n in facts["contigs"])
    lines = [
        f"# {facts['title']}",
        "",
        f"Phased genotypes of {facts['individuals']:,} synthetic individuals on contig {sites}, "
        "sampled from a model. No row belongs to an individual.",
        "",
        "## Model and data",
        "",
        f"Made by GenoLoom {facts['version']} with the generator `{facts['generator']}` (seed "
        f"{facts['seed']}), trained on {facts['training_individuals']} of the "
        f"{facts['public'] or 'panel `' + facts['panel'] + '`'}. Sites whose rarer allele fewer "
        f"than {facts['min_carriers']} training individuals carry were not modelled. The "
        f"references below come from real individuals who were held out. {facts['redrawn']}",
        *_mode(facts),
        "",
        "Every file of this bundle was written anew from the audited genotypes. Panel, split, "
        "model, synthetic files, fidelity table and audit were shown to belong together by their "
        "digests; the raw input was"
        + (
            " compared too."
            if facts["raw_input"]
            else " not compared: its digest is with the panel."
        ),
        "",
        "## Privacy verdict",
        "",
        f"On {facts['date']} these files passed the release gate. With {facts['compared']} per "
        f"role it measured how well {sum(r.measure is Measure.AUC for r in attacks)} attacks tell "
        "training individuals from held-out individuals. The worst attack's AUC, corrected for "
        f"being the worst of many, is {shown(worst.value)} (95 % interval {shown(worst.low)} to "
        f"{shown(worst.high)}; 0.5 is chance, at most {facts['max_auc']:g} may leave)."
        + (
            f" {facts['not_compared']:,} of the synthetic individuals were not compared."
            if facts["not_compared"]
            else ""
        ),
        "",
        "| attack or test | measure | interval | verdict |",
        "|---|---|---|---|",
        *(f"| {r.name} | {r.measure} | {_interval(r)} | {r.verdict} |" for r in attacks),
        "",
        *_thresholds(facts["thresholds"]),
        "",
        "The audit finds what these attacks see. Other attacks, other knowledge or several "
        "releases of the same individuals may reveal more; the law of the individuals' country may "
        "ask for more. Passing is evidence about these measurements, not a promise.",
        "",
        "## Fidelity",
        "",
        "Against held-out real individuals; `reference` is what other real individuals score.",
        "",
        "| metric | value | reference | verdict |",
        "|---|---|---|---|",
        *(
            f"| {r.metric} | {shown(r.value)} | {shown(r.reference)} | {r.verdict} |"
            for r in metrics
        ),
        "",
        "## Limits",
        "",
        "- Contigs are sampled independently of each other, given the population.",
        "- Rare variants are incomplete by design. Use no single genotype, and no clinical "
        "inference, from these files.",
        "- A metric that passes speaks for itself alone: test your own analysis on real data.",
        "",
        "`MANIFEST.sha256` lists every file: `sha256sum -c MANIFEST.sha256`. "
        "`ro-crate-metadata.json` describes them for machines.",
    ]
    return "\n".join(lines) + "\n"


def _mode(facts: dict) -> list[str]:
    """What of the cohort is in data that were made from public individuals."""
    if not facts["public"]:
        return []
    if not facts["guarantee"]:
        return ["", PUBLIC_MODE.format(facts["panel"])]
    return ["", STATISTICS_MODE.format(facts["panel"]), "", _guarantee(facts["guarantee"])]


def sequence_readme(facts: dict, attacks: list[AttackRow], metrics: list[MetricRow]) -> str:
    """The README of a bundle of sequences.

    Parameters
    ----------
    facts : dict
        title, description, data, generator, version, date, max_auc and thresholds, as for `readme`.
    """
    worst = next(row for row in attacks if row.attack is AttackId.WORST)
    lines = [
        f"# {facts['title']}",
        "",
        f"{facts['description'].removesuffix('; see README.md')}. Made by GenoLoom "
        f"{facts['version']} with the generator `{facts['generator']}` of the {facts['data']}. "
        "Every file of this bundle was written anew from the audited sequences.",
        "",
        "## Privacy verdict",
        "",
        f"On {facts['date']} these files passed the release gate. With {worst.n:,} sequences per "
        "role it measured how well attacks distinguish training sequences from held-out ones. The "
        f"worst attack's AUC is {worst.value:.3f} (95 % interval {worst.low:.3f} to "
        f"{worst.high:.3f}; 0.5 is chance, at most {facts['max_auc']:g} may leave).",
        "",
        "| attack or test | measure | value | reference | verdict |",
        "|---|---|---|---|---|",
        *(
            f"| {a.attack} | {a.measure} | {a.value:.4g} | {a.reference:.4g} | {a.verdict} |"
            for a in attacks
        ),
        "",
        *_thresholds(facts["thresholds"]),
        "",
        "The audit finds what these attacks see. Passing is evidence about these measurements, not "
        "a promise.",
        "",
        "## Fidelity",
        "",
        "Against held-out real sequences; `reference` is what other real sequences score.",
        "",
        "| metric | of | value | reference | verdict |",
        "|---|---|---|---|---|",
        *(
            f"| {m.metric} | {m.bin} | {m.value:.4g} | {m.reference:.4g} | {m.verdict} |"
            for m in metrics
        ),
        "",
        "`MANIFEST.sha256` lists every file: `sha256sum -c MANIFEST.sha256`. "
        "`ro-crate-metadata.json` describes them for machines.",
    ]
    return "\n".join(lines) + "\n"


def release_date() -> str:
    """Today, or the date that reproducible builds ask for."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    date = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return date.date().isoformat()


def _thresholds(thresholds: list[tuple[str, str, str, bool]]) -> list[str]:
    """What was asked of the data, and where that is less than by default."""
    looser = sum(loosened for *_, loosened in thresholds)
    said = (
        f"{looser} of these thresholds are looser than by default"
        if looser
        else "No threshold is looser than by default"
    )
    rows = (
        f"| `{name}` | {default} | {used}{' **(looser)**' if loosened else ''} |"
        for name, default, used, loosened in thresholds
    )
    return [f"{said}:", "", "| threshold | default | used |", "|---|---|---|", *rows]


def _interval(row: AttackRow) -> str:
    interval = f"{shown(row.low)} to {shown(row.high)}"
    return shown(row.value) if isnan(row.low) else interval


def ro_crate(facts: dict, files: dict[str, tuple[int, str]]) -> str:
    """The text of ro-crate-metadata.json (RO-Crate 1.1, https://w3id.org/ro/crate/1.1).

    Parameters
    ----------
    facts : dict
        As for `readme`, and licence (a text or an address).
    files : dict
        (bytes, SHA-256) by name, without the description itself.
    """
    software = {
        "@id": "#genoloom", "@type": "SoftwareApplication", "name": "GenoLoom",
        "version": facts["version"],
        "softwareVersion": facts["version"],
    }  # fmt: skip
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": facts["title"],
        "description": facts["description"],
        "datePublished": facts["date"],
        "license": facts["licence"],
        "hasPart": [{"@id": name} for name in files],
    }
    action = {
        "@id": "#generation", "@type": "CreateAction", "name": "Sampling by GenoLoom",
        "instrument": {"@id": "#genoloom"},
        "object": {"@id": "#model"}, "result": {"@id": "./"},
    }  # fmt: skip
    model = {
        "@id": "#model", "@type": "CreativeWork",
        "name": f"model {facts['generator']} of {facts['data']}",
        "description": "Not part of this crate: a model file is private data",
        "identifier": facts["models"],
    }  # fmt: skip
    described = {
        "@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    parts = [
        {
            "@id": name,
            "@type": "File",
            "contentSize": str(size),
            "sha256": digest,
            "encodingFormat": _media_type(name),
        }
        for name, (size, digest) in files.items()
    ]
    graph = [described, root, action, software, model, *parts]
    return (
        json.dumps({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}, indent=2)
        + "\n"
    )


def _media_type(name: str) -> str:
    known = next((kind for suffix, kind in MEDIA_TYPES.items() if name.endswith(suffix)), None)
    return known or mimetypes.guess_type(name)[0] or "application/octet-stream"
