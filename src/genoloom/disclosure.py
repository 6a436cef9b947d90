"""What may be said of real people in logs, messages, models and reports: no names, and no small
counts.
"""

FEW = 20  # counts of 1 to FEW real people are not given: they may point at persons


def people_count(n: int, noun: str = "people") -> str:
    """A number of real people as it may be shown: "no people", "1 to 20 people", "57 people"."""
    if n == 0:
        return f"no {noun}"
    return f"1 to {FEW} {noun}" if n <= FEW else f"{n} {noun}"
