"""Keys of the configuration that had another name in an earlier version, `old: new`, or that are
no longer there.

A configuration with an old key is an error that names the new one or says why there is none; so is
an option of the command line, or a column of a sheet, that has another name.
"""

RENAMED = {
    # now a key of another meaning: see `TrainOptions`
    "train.common.min_carriers": "train.common.min_mac",
    "train.common.fewest_people": "train.common.min_carriers",
    "train.common.watch": "train.common.validation_fraction",
    "train.transformer.crossover": "train.transformer.augmentation_fraction",
    "train.transformer.block": "train.transformer.block_size",
    "train.transformer.codes": "train.transformer.vocabulary_size",
    "train.transformer.code_carriers": "train.transformer.min_token_carriers",
    "train.gan.block": "train.gan.block_size",
    "train.gan.codes": "train.gan.vocabulary_size",
    "train.copying_network.block": "train.copying_network.block_size",
    "train.copying_network.codes": "train.copying_network.vocabulary_size",
    "train.copying_network.code_carriers": "train.copying_network.min_token_carriers",
    "train.mosaic.flip": "train.mosaic.mutation_rate",
    "train.hmm.block": "train.hmm.block_size",
    "sequences.reverse_complement": "sequences.stranded",  # which is its opposite
    "validate_sequences.strands": "validate_sequences.stranded",
    "train_sequences.adaptive": "train_sequences.context_mixing",
    "train_sequences.transformer.infill": "train_sequences.transformer.fim_rate",
    "train_sequences.transformer.token_bases": "train_sequences.transformer.kmer_size",
    "consensus.people": "consensus.individuals",
    "validate.resplits": "validate.n_permutations",
    "validate_sequences.resplits": "validate_sequences.n_permutations",
    "release.fewest_people": "release.min_carriers",
    "train.copying_network.templates": "privacy.mode",
    "train.copying_network.public_panel": "privacy.public_panel",
}

_GAN = "critic_steps", "gradient_penalty", "likelihood_weight", "pretrain_fraction"
REMOVED = {f"train.gan.{name}": "the critics judge embeddings at every step" for name in _GAN}

RENAMED_COLUMNS = {"people": "samples"}  # of the sheet of panels


def renamed_flags(flag: str) -> list[str]:
    """The options of today that an option of an earlier version (`--old-name`) may have become."""
    new = {
        key.rpartition(".")[2]
        for old, key in RENAMED.items()
        if flag_of(old.rpartition(".")[2]) == flag
    }
    return sorted(flag_of(name) for name in new)


def flag_of(name: str) -> str:
    """The option of a key."""
    return "--" + name.replace("_", "-")
