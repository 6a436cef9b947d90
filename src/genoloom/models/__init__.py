"""Generators, and what they share."""

from importlib import import_module

from genoloom.errors import InputError


def class_of(package: str, generators: dict[str, str], name: str) -> type:
    """The class of the generator `name`, by the table of its package."""
    if name not in generators:
        raise InputError(
            "generator", f"'{name}' is not known", expected=f"one of {', '.join(generators)}"
        )
    module, attribute = generators[name].split(":")
    return getattr(import_module(f"{package}.{module}"), attribute)
