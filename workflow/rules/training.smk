"""
Helpers only: how models are trained, on what, and with which resources.
"""

# where, how long and by how many a model is trained does not change what it is: as resources and
# threads, these options cause no new training
RUN_OPTIONS = ("device", "processes", "time_limit_minutes")
time_limit = settings.train.common.time_limit_minutes or "none"


MODEL_TABLES = (".json", ".history.tsv")  # what a report shows of a model
OF_FILES = ("init_from",)  # options of a generator that name files, which are inputs of its rule


def own_options(wildcards):
    """The options of a generator."""
    if "generator" in wildcards.keys():
        return getattr(settings.train, wildcards.generator)
    return getattr(settings.train_sequences, wildcards.sequence_generator)


def model_options(wildcards):
    """
    The options that a model follows from: the shared ones, and the ones of its generator. Not those
    that name files: Snakemake takes parameters that look at the input for no reason to run a job
    again.
    """
    common = config_files.flags(settings.train.common, leave_out=RUN_OPTIONS)
    return " ".join([common, config_files.flags(own_options(wildcards), leave_out=OF_FILES)])


def model_files(wildcards, input):
    """The options of a generator that name files."""
    flags = {"base": "--init-from", "split": "--split", "statistics": "--statistics"}
    return " ".join(
        f"{flag} {shlex.quote(input[name])}" for name, flag in flags.items() if input.get(name)
    )


def get_base_model(wildcards):
    """The model of another panel that training starts from, if any."""
    base = getattr(own_options(wildcards), "init_from", None)
    return base.replace("{contig}", wildcards.contig) if base else []


def of_public_individuals(wildcards):
    """Whether a generator is held to mode `public` or `statistics`: none of its rules reads the
    cohort.
    """
    return settings.privacy.mode != "none" and wildcards.generator == "copying_network"


def get_trained_panel(wildcards):
    """The three files of the individuals that a model is trained on."""
    place = "templates" if of_public_individuals(wildcards) else "panels"
    prefix = f"results/{place}/{wildcards.panel}/{wildcards.contig}"
    return [f"{prefix}{suffix}" for suffix in PGEN_SUFFIXES]


def get_trained_split(wildcards):
    return [] if of_public_individuals(wildcards) else f"results/splits/{wildcards.panel}.tsv"


def get_statistics(wildcards):
    """What a model may know of the cohort, in addition to what is typed."""
    measured = settings.privacy.mode == "statistics" and of_public_individuals(wildcards)
    return f"results/statistics/{wildcards.panel}.safetensors" if measured else []


def budget_file(wildcards, output):
    """What was measured of the cohort before; no output, as it outlives what is made again."""
    results = Path(output.statistics).parents[1]
    return str(results / "private" / wildcards.panel / "privacy_budget.json")


def measure_flags(wildcards):
    """How the cohort is measured."""
    privacy = settings.privacy
    epsilon = "" if privacy.epsilon is None else f"--epsilon {privacy.epsilon!r}"
    return f"{labels_flag(wildcards)} {epsilon} --delta {privacy.delta!r} --noise {privacy.noise}"


def public_place():
    """The directory of the registered public panel."""
    return f"{settings.privacy.folder}/{settings.privacy.public_panel}"


def get_public_panel(wildcards):
    """The files of the registered public panel, for every contig of the cohort."""
    return [f"{public_place()}/panel.json", *pgens_of(escape_braces(public_place()))(wildcards)]


def get_templates(wildcards):
    """The files of the public individuals that a release has to show, and what was registered."""
    if not of_public_individuals(wildcards):
        return []
    suffixes = (*PGEN_SUFFIXES, ".match.json", ".provenance.json")
    own = [f"results/templates/{{panel}}/{{contig}}{suffix}" for suffix in suffixes]
    statistics = get_statistics(wildcards)
    measured = []
    if statistics:
        place = statistics.removesuffix(".safetensors")
        measured = [f"{place}{suffix}" for suffix in (".safetensors", ".json", ".provenance.json")]
    return each_contig(own)(wildcards) + get_public_panel(wildcards) + measured


def labels_flag(wildcards):
    """Which public populations represent the cohort's."""
    typed = settings.privacy.populations
    return f"--populations {shlex.quote(typed)}" if typed else ""


def cohort_flags(wildcards):
    """Options of a cohort; one of public individuals has the size and mix that are typed."""
    typed = {"size": settings.privacy.size, "populations": settings.privacy.mix}
    public = of_public_individuals(wildcards)
    return config_files.flags(settings.cohort.model_copy(update=typed if public else {}))


def privacy_flags(wildcards):
    """How a generator is held to the mode."""
    return (
        f"--privacy-mode {settings.privacy.mode} {labels_flag(wildcards)}"
        if of_public_individuals(wildcards)
        else ""
    )


def training_state(wildcards, input, output):
    """
    Where training saves its state. It is no output, because Snakemake removes the outputs of a
    failed job. Its name follows from all that the model follows from, so that a changed option
    never meets a foreign state.
    """
    if "generator" in wildcards.keys():
        sources = [get_panel_row(wildcards), settings.prepare, settings.split]
        sources += [settings.privacy] if of_public_individuals(wildcards) else []
    else:
        sources = [get_sequence_row(wildcards), settings.sequences]
    parts = repr([settings.seed, model_options(wildcards), model_files(wildcards, input), *sources])
    digest = hashlib.sha256(parts.encode()).hexdigest()[:12]
    made = Path(output[0])
    results = next(place.parent for place in made.parents if place.name == "models")
    return str(results.joinpath(".state", *model_place(wildcards), digest))


def get_trained_windows(wildcards):
    """What jobs of their own leave of the windows of a transformer, where there are several."""
    if wildcards.generator != "transformer" or settings.train.transformer.window is None:
        return []
    table = checkpoints.list_windows.get(**wildcards).output.windows
    with open(table) as rows:
        number = sum(1 for _ in rows) - 1
    folder = "results/models/{panel}/{generator}/windows/{contig}".format(**wildcards)
    return [f"{folder}.{k}.done" for k in range(1, number + 1)] if number > 1 else []


def shadow_state(wildcards, output):
    """The same of a shadow model."""
    results = Path(output.scores).parents[4]
    return str(
        results.joinpath(
            ".state", wildcards.panel, wildcards.generator, f"shadow{wildcards.number}"
        )
    )


def model_place(wildcards):
    """The directories of a model below results/models."""
    if "generator" in wildcards.keys():
        return wildcards.panel, wildcards.generator, wildcards.contig
    return "sequences", wildcards.set, wildcards.sequence_generator


def growing(least):
    """A resource function: at least this many minutes or megabytes, and one more for each megabyte
    of input; as many again with each try.
    """
    return lambda wildcards, input, attempt: attempt * int(least + input.size_mb)


def genotype_mem_mb(wildcards, input, attempt):
    """Stages that stream: a base, and a little for each megabyte of compact genotypes."""
    return attempt * int(1500 + 20 * input.size_mb)


def validation_mem_mb(wildcards, input, attempt):
    """The same; the sums of windows are read one after another."""
    files = [*input.synthetic, *input.panel]
    return attempt * int(2500 + sum(Path(file).stat().st_size for file in files) / 50_000)


def training_mem_mb(wildcards, input, attempt):
    return attempt * int(2500 + 100 * input.size_mb)


def makes_shadows(wildcards):
    """Whether an audit makes shadow models of a learned generator by itself."""
    learned = wildcards.generator not in haplotype.BASELINES
    return (
        settings.audit.shadow_models == "auto" and learned and not of_public_individuals(wildcards)
    )


def audit_mem_mb(wildcards, input, attempt):
    needed = training_mem_mb if makes_shadows(wildcards) else genotype_mem_mb
    return needed(wildcards, input, attempt)


def audit_gpus(wildcards):
    return training_gpus(wildcards) if makes_shadows(wildcards) else 0


def training_threads(wildcards):
    """One for each process that shares the batches."""
    if "generator" in wildcards.keys():
        shared = wildcards.generator in haplotype.SHARED
    else:
        shared = wildcards.sequence_generator in sequence.SHARED
    return settings.train.common.processes if shared else 1


def training_device(wildcards):
    """The configured one; a baseline asks for no GPU, so it must do without."""
    name = wildcards.get("generator") or wildcards.get("sequence_generator")
    device = settings.train.common.device
    baseline = name in (*haplotype.BASELINES, *sequence.BASELINES)
    return "auto" if baseline and device.startswith("cuda") else device


def training_gpus(wildcards):
    """
    A GPU where the configuration says so. What this machine has does not matter: a job may run on
    another one. The default profile counts one, so that two trainings never share it.
    """
    return int(training_device(wildcards).startswith("cuda"))
