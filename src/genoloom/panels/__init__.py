"""Genotype files and panels, as several commands read them: sites, relatives, traits."""
