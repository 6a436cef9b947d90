"""Causal transformer over single bases with the Markov chains built in.

Every base is predicted from the bases before it:

    log P(b_t | b_<t)  =  log softmax( sum_r w_r(t) log P_r(b | b_<t)  +  head(t) )

P_r are the components of a context mixture of chains (`genoloom.models.sequence.context_mixing`):
interpolated chains of rising order, then the position, the sequence's own composition and its own
repeats. The weights w begin as 1 for the last component, the context mixture, and 0 for all others,
and the head begins at zero, so the untrained model *is* the context mixture; it is among the
checkpoints that compete on the validation sequences, where the model is therefore never worse on
average. The forecasts and how much they have seen are inputs too. In training they are
cross-fitted: a sequence meets chains that were counted without its homology fold, because chains
that have seen a sequence are surer about it than they will be about new ones.

Below the attention are dilated causal convolutions, which read neighbourhoods far more cheaply.
Sequences of one orientation (no reverse complement) also have a learned position, since such sets
are aligned to something.

With `fim_rate`, a share of the steps cuts the rows at a random position, reads what comes after the
cut first and then forecasts everything before it (`genoloom.models.sequence.fill_in_the_middle`).
Nothing but these steps, and filling gaps, ever sees a suffix.

Where sequences have labels, a label classifier is trained next to it and helps to draw
(`genoloom.models.sequence.label_classifier`).

With `kmer_size` of 6 the attention reads 6-mers, a sixth of the positions
(`transformer_network.KmerEmbedding`); forecasts and likelihood stay by base.

Letters in shapes: B rows, T bases.
"""

import logging
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from scipy.special import log_softmax

from genoloom.declared import LONGEST_SEQUENCE, Declared, within
from genoloom.models.finite import refuse_non_finite
from genoloom.models.layers import declare_network, load_network, network_arrays
from genoloom.models.sequence import fill_in_the_middle
from genoloom.models.sequence.base import (
    Sampling,
    SequenceDescription,
    SequenceGenerator,
    SequenceRequest,
    TrainingSequences,
)
from genoloom.models.sequence.chain import draw
from genoloom.models.sequence.context_mixing import (
    MEMORY,
    ContextMixture,
    MixtureState,
    OwnCounts,
    SettingsDescription,
    choose,
    count,
)
from genoloom.models.sequence.label_classifier import (
    ClassifierDescription,
    LabelClassifier,
    cross_entropy,
)
from genoloom.models.sequence.labels import LabelPatterns
from genoloom.models.sequence.markov import (
    declare_counts,
    pack_counts,
    read_settings,
    unpack_counts,
)
from genoloom.models.sequence.transformer_network import BOS, Cache, SequenceTransformer
from genoloom.models.sequence.transformer_training import (
    FOLDS,
    TransformerTraining,
    homology_folds,
    score,
    tokens_before,
)
from genoloom.seeds import derive_seed, row_uniforms
from genoloom.sequence_config import SequenceTransformerOptions
from genoloom.sequences import OTHER
from genoloom.training import processes
from genoloom.training.run import TrainingRun, schedule_of, train

log = logging.getLogger(__name__)

CHAIN_ORDER = 10  # longest chain built in, as long as the opponents' own; repeats need it
DROPOUT, FEW_DROPOUT, FEW_SEQUENCES = 0.1, 0.2, 5000
SAMPLE_ROWS = 256  # sequences sampled together, always exactly this many
COMPARED = 500  # validation sequences, of which the model and the classifier predict the label
GAP_ROWS = 64  # candidates for a gap sampled together, always exactly this many


class OptionsDescription(SequenceTransformerOptions):
    """The options of a trained model."""

    dropout: float = Field(ge=0, le=1)


class TransformerDescription(SequenceDescription):
    """The words of such a model."""

    options: OptionsDescription
    positions: int = Field(ge=0, le=LONGEST_SEQUENCE)
    chain: SettingsDescription
    classifier: ClassifierDescription | None = None


class TransformerGenerator(SequenceGenerator):
    """Sequence transformer: options in `genoloom.sequence_config.SequenceTransformerOptions`."""

    name = "transformer"
    description_class = TransformerDescription
    options_class = SequenceTransformerOptions
    has_likelihood = True
    heeds_guidance = True

    def __init__(self, options: SequenceTransformerOptions):
        super().__init__(options)
        self.classifier = None

    def fit(self, data: TrainingSequences, run: TrainingRun) -> None:
        self.label_names = list(data.label_names)
        if self.options.dropout is None:
            share = FEW_DROPOUT if len(data.length) < FEW_SEQUENCES else DROPOUT
            self.options = self.options.model_copy(update={"dropout": share})
        self.positions = data.bases.shape[1] if data.stranded else 0
        fitted = np.flatnonzero(~data.validation)
        self.settings, self.counts, _ = choose(data, CHAIN_ORDER)
        fold = homology_folds(data.cluster[fitted], derive_seed(run.seed, "folds"))
        parts = (
            count(data, fitted[fold == f], self.settings.order, self.settings.strand_quarters)
            for f in range(FOLDS)
        )
        cross_fitted = ContextMixture(
            self.settings, [self.counts, *(self.counts.minus(part) for part in parts)]
        )

        torch.manual_seed(derive_seed(run.seed, "weights"))
        self._build()
        self.model.to(run.device)
        training = TransformerTraining(
            self.model, self.labels, cross_fitted, fold, data, self.options, run
        )
        train(training, run, **schedule_of(self.options))
        self.model.to("cpu").eval()
        self.classifier = None if processes.rank() else self._useful_classifier(data, run)
        # the validation sequences have done their part: count them too, as the chains that this
        # model is compared with do
        self.counts = count(
            data, np.arange(len(data.length)), self.settings.order, self.settings.strand_quarters
        )
        self.mixture = ContextMixture(self.settings, [self.counts])

    def _useful_classifier(
        self, data: TrainingSequences, run: TrainingRun
    ) -> LabelClassifier | None:
        """A label classifier, if it predicts the labels of validation sequences clearly better than
        this model's own likelihoods do.
        """
        classifier = LabelClassifier.fit(data, run.seed)
        if classifier is None:
            return None
        rows = np.flatnonzero(data.validation)[:COMPARED]
        bases, length, label = data.bases[rows], data.length[rows], data.label[rows]
        share = np.bincount(data.label, minlength=len(self.label_names)) / len(data.label)
        given = [
            score(self.model, self.mixture, bases, np.full(len(rows), k)) for k in range(len(share))
        ]
        own, read = (
            cross_entropy(found, label)
            for found in (
                log_softmax(np.stack(given, axis=1) + np.log(share), axis=1),
                classifier.log_probabilities(bases, length),
            )
        )
        gain = own - read
        useful = gain.mean() > 2 * gain.std() / np.sqrt(len(gain))
        log.info(
            "%s: cross-entropy of the labels of validation sequences: %.3f nats by the model "
            "alone, %.3f by the label classifier%s",
            run.label,
            own.mean(),
            read.mean(),
            "" if useful else "; it is left out",
        )
        return classifier if useful else None

    def _build(self) -> None:
        self.mixture = ContextMixture(self.settings, [self.counts])
        self.labels = LabelPatterns(self.label_names)
        contexts = self.settings.order + 1 + len(OwnCounts.LEVELS)
        self.model = SequenceTransformer(
            self.options, self.labels, self.mixture.components, contexts, self.positions
        )

    @property
    def label_choices(self) -> list[str]:
        return self.labels.names

    def labels_within(self, choice: str) -> np.ndarray:
        return self.labels.matching(choice)

    def log_likelihood(
        self, bases: np.ndarray, length: np.ndarray, label: np.ndarray
    ) -> np.ndarray:
        """Natural-log likelihood of each sequence; a label of -1 is an unknown one."""
        known = np.where(label < 0, self.model.unlabelled, label)
        return score(self.model, self.mixture, bases, known)

    def sample(self, request: SequenceRequest, sampling: Sampling = Sampling()) -> np.ndarray:
        """Where there is a label classifier, it must agree (`Sampling.candidates`); a prompt leaves
        it out.
        """
        if self.classifier is None or not sampling.candidates or len(sampling.prompt):
            return self._sample(request, sampling)[0]
        return self.classifier.draw(
            lambda part: self._sample(part, sampling)[0],
            replace(
                request, label=np.where(request.label < 0, self.labels.unlabelled, request.label)
            ),
            lambda label: self.labels.matching(self.labels.names[label]),
            sampling.guidance,
            sampling.candidates,
            SAMPLE_ROWS,
        )

    def _sample(
        self, request: SequenceRequest, sampling: Sampling
    ) -> tuple[np.ndarray, np.ndarray]:
        n, longest = len(request.seed), int(request.length.max(initial=0))
        bases, log_prob = np.empty((n, longest), dtype=np.uint8), np.empty((n, longest))
        for low in range(0, n, SAMPLE_ROWS):
            # short chunks are filled up: matrix products have one shape, and a sequence does not
            # depend on its company
            rows = np.minimum(np.arange(low, low + SAMPLE_ROWS), n - 1)
            uniform = row_uniforms(request.seed[rows], np.arange(longest))
            chunk = self._sample_chunk(request.label[rows], uniform, sampling)
            bases[low : low + SAMPLE_ROWS], log_prob[low : low + SAMPLE_ROWS] = (
                x[: n - low] for x in chunk
            )
        padding = np.arange(longest) >= request.length[:, None]
        bases[padding], log_prob[padding] = OTHER, 0.0
        return bases, log_prob.sum(axis=1)

    @torch.no_grad()
    def _sample_chunk(
        self, label: np.ndarray, uniform: np.ndarray, sampling: Sampling
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bases, uint8, and their log-probabilities, shape of `uniform` (B, T); one base a step,
        from the cache.
        """
        B, T = uniform.shape
        label = np.where(label < 0, self.model.unlabelled, label)
        guided = sampling.guidance != 1
        if guided:  # the same sequences without a label, after those with one
            label = np.concatenate([label, np.full(B, self.model.unlabelled)])
        views = 2 if guided else 1
        cache, state = Cache(self.model, views * B, T), MixtureState(self.mixture, B, T)
        label, before = torch.from_numpy(label), torch.full((views * B, 1), BOS)
        bases, log_prob = np.empty((B, T), dtype=np.uint8), np.empty((B, T))
        for t in range(T):
            forecast, context_counts = (
                torch.from_numpy(x.astype(np.float32)) for x in state.forecast()
            )
            forecast = forecast.repeat(views, 1, 1, 1)
            context_counts = context_counts.repeat(views, 1, 1)
            logits = (
                self.model(before, forecast, context_counts, label, cache)[:, 0]
                .double()
                .log_softmax(-1)
                .numpy()
            )
            refuse_non_finite(logits)
            if guided:
                logits = logits[B:] + sampling.guidance * (logits[:B] - logits[B:])
            if t < len(sampling.prompt):
                bases[:, t] = sampling.prompt[t]
            else:
                bases[:, t] = draw(sampling.shape(logits), uniform[:, t])
            log_prob[:, t] = np.take_along_axis(
                logits, bases[:, t : t + 1].astype(np.int64), axis=1
            )[:, 0]
            before = torch.from_numpy(bases[:, t : t + 1].astype(np.int64)).repeat(views, 1)
            state.push(bases[:, t])
        return bases, log_prob

    @property
    def samples_infill(self) -> bool:
        """Whether some of its training had a suffix."""
        return self.options.fim_rate > 0

    def sample_infill(
        self, prefix: np.ndarray, size: int, suffix: np.ndarray, label: int, seeds: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        n, label = len(seeds), self.model.unlabelled if label < 0 else label
        bases, log_prob = np.empty((n, size), dtype=np.uint8), np.empty((n, size))
        prompt = tokens_before(np.append(prefix, 0).astype(np.uint8)[None])
        for low in range(0, n, GAP_ROWS):
            # filled up for the same reason as in `_sample`
            rows = np.minimum(np.arange(low, low + GAP_ROWS), n - 1)
            uniform = row_uniforms(seeds[rows], np.arange(len(prefix), len(prefix) + size))
            cache = Cache(self.model, 1, len(prefix) + size, suffix_length=len(suffix))
            chunk = fill_in_the_middle.sample_gap(
                self.model, self.mixture, cache, prompt, prefix, suffix, label, uniform
            )
            bases[low : low + GAP_ROWS], log_prob[low : low + GAP_ROWS] = (
                x[: n - low] for x in chunk
            )
        return bases, log_prob.sum(axis=1)

    def state(self) -> tuple[dict[str, np.ndarray], dict]:
        arrays = network_arrays(self.model) | pack_counts(self.counts)
        description = self._words() | {
            "positions": self.positions,
            "chain": self.settings.described(),
        }
        if self.classifier:
            more, description["classifier"] = self.classifier.state()
            arrays |= {f"classifier.{name}": value for name, value in more.items()}
        return arrays, description

    @classmethod
    def declare(cls, arrays: Declared, words: TransformerDescription) -> None:
        declare_counts(arrays, words.chain)
        components = words.chain.order + 3 + len(MEMORY)
        contexts = words.chain.order + 1 + len(OwnCounts.LEVELS)
        declare_network(
            arrays,
            "network.",
            lambda: SequenceTransformer(
                words.options,
                LabelPatterns(words.label_names),
                components,
                contexts,
                words.positions,
            ),
        )
        if words.classifier:
            LabelClassifier.declare(arrays, "classifier.", len(words.label_names))

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], description: dict) -> "TransformerGenerator":
        generator = cls._described(description)
        generator.positions = description["positions"]
        generator.settings, generator.counts = read_settings(description), unpack_counts(arrays)
        generator._build()
        load_network(generator.model, arrays, "network.")
        generator.model.eval()
        if classifier := within(arrays, "classifier."):
            words = description["classifier"]
            generator.classifier = LabelClassifier.from_state(classifier, words)
        return generator
