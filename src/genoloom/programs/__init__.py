"""Other programs that commands call: Beagle, Minimac4, Snakemake."""
