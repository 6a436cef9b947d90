"""Genotype files and panels, as several commands read them: the same sites, who is related, traits."""
