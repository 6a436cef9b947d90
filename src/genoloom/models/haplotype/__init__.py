"""Haplotype generators. A new one is a file here, its options in `genoloom.config`, and a line
below.
"""

from genoloom.models import class_of

# name -> module:class; modules are imported on use, so that the command line starts without torch
GENERATORS = {
    "transformer": "transformer_windows:WindowedTransformer",
    "gan": "gan:GanGenerator",
    "copying_network": "copying_network:CopyingNetworkGenerator",
    "independent": "independent:IndependentGenerator",
    "markov": "markov:MarkovGenerator",
    "mosaic": "mosaic:MosaicGenerator",
    "matched_mosaic": "matched_mosaic:MatchedMosaicGenerator",
    "hmm": "hmm:HmmGenerator",
    "li_stephens": "li_stephens:LiStephensGenerator",
}
BASELINES = ("independent", "markov", "mosaic", "matched_mosaic", "hmm", "li_stephens")
# baselines that `genoloom compare` trains, by their name there: a lower bound, and copies in pieces
# of several lengths
COMPARED = {
    "independent": ("independent", {}),
    "mosaic_0.02cM": ("mosaic", {"segment_cm": 0.02}),
    "mosaic_0.1cM": ("mosaic", {"segment_cm": 0.1}),
    "mosaic_0.5cM": ("mosaic", {"segment_cm": 0.5}),
    "matched_mosaic": ("matched_mosaic", {}),
}
# baselines, by either name, that copy training haplotypes in pieces
COPYING = {"mosaic", "matched_mosaic", "li_stephens"}
COPYING |= {name for name, (baseline, _) in COMPARED.items() if baseline in COPYING}
SHARED = ("transformer",)  # several processes can train it, `genoloom.training.processes`


def generator_class(name: str) -> type:
    """The class of the generator `name`."""
    return class_of(__name__, GENERATORS, name)
