"""The two ends of a training, alike for haplotypes and sequences: what a run belongs to, and the
files that it leaves.
"""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np

from genoloom.config_section import Section
from genoloom.formats.histories import write_history
from genoloom.formats.models import save_model
from genoloom.training.devices import choose_device
from genoloom.training.run import TrainingRun, write_times
from genoloom.training_config import TrainOptions

log = logging.getLogger(__name__)


def start_run(
    generator: str,
    common: TrainOptions,
    options: Section,
    data_digest: str,
    *,
    seed: int,
    run_seed: int,
    state: Path,
    threads: int,
    label: str,
    **more: str,
) -> tuple[TrainingRun, str]:
    """The run of a generator, and the digest of its configuration.

    Parameters
    ----------
    seed, run_seed : int
        As configured, and derived from it for this run.
    more : str
        Settings in place of options that name files, which are left out.
    """
    settings = {
        "generator": generator,
        "seed": seed,
        "validation_fraction": common.validation_fraction,
        **options.model_dump(exclude={"init_from"}),
        **more,
    }
    config_digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    run = TrainingRun(
        state_dir=state,
        digest=hashlib.sha256(f"{data_digest}{config_digest}".encode()).hexdigest(),
        seed=run_seed,
        threads=threads,
        device=choose_device(common.device),
        time_limit_s=common.time_limit_minutes and 60 * common.time_limit_minutes,
        label=label,
    )
    return run, config_digest


def write_trained(
    model: Path, history: Path, arrays: dict[str, np.ndarray], description: dict, run: TrainingRun
) -> None:
    """Write the model, its description and the history of its training."""
    save_model(model, arrays, description)
    write_history(history, run.history)
    write_times(run)
    log.info("%s: model written", run.label)
