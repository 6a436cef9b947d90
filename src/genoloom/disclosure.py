"""What may be said of real individuals in logs, messages, models and reports: no names, and no
small counts.
"""

FEW = 20  # counts of 1 to FEW real individuals are not given: they may point at individuals


def individuals_count(n: int, noun: str = "individuals") -> str:
    """A number of real individuals as it may be shown: "no individuals", "1 to 20 individuals", "57
    individuals".
    """
    if n == 0:
        return f"no {noun}"
    return f"1 to {FEW} {noun}" if n <= FEW else f"{n} {noun}"
