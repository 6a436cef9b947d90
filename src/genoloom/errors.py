"""Errors a user can act on. The command line prints them without a traceback."""


class GenoLoomError(Exception):
    """A problem the user can mend; ends the command with `exit_code`."""

    exit_code = 2


class InputError(GenoLoomError):
    """A file, record, sheet or option is not what was expected.

    Parameters
    ----------
    source : str
        File (or option) in which the problem was found.
    found : str
        What was found, with the record (`20:1000226`), line or column and the count.
    expected : str, optional
        What was expected instead.
    remedy : str, optional
        What the user can do, as a command or an edit.
    """

    def __init__(self, source: object, found: str, expected: str = "", remedy: str = ""):
        self.source, self.found, self.expected, self.remedy = str(source), found, expected, remedy
        lines = [f"{source}: {found}"]
        if expected:
            lines.append(f"  expected: {expected}")
        if remedy:
            lines.append(f"  what to do: {remedy}")
        super().__init__("\n".join(lines))


class ConfigError(GenoLoomError):
    """All the problems of a configuration, listed together.

    Parameters
    ----------
    source : str
        The configuration file.
    problems : list of (key, value, message)
        One entry per problem.
    """

    def __init__(self, source: object, problems: list[tuple[str, str, str]]):
        self.source, self.problems = str(source), problems
        noun = "problem" if len(problems) == 1 else "problems"
        width = max(len(key) for key, _, _ in problems)
        lines = [f"{source}: {len(problems)} {noun}"]
        lines += [
            f"  {key:<{width}}  {value}  {message}".rstrip() for key, value, message in problems
        ]
        super().__init__("\n".join(lines))


class Interrupted(GenoLoomError):
    """Training was stopped by a signal or its time limit after saving its state; run again to go
    on.
    """

    exit_code = 75  # EX_TEMPFAIL: a scheduler may try again


class CollapsedError(GenoLoomError):
    """A generator collapsed in training; its model is not written."""

    exit_code = 4


class GateError(GenoLoomError):
    """The release gate did not pass; there is no bundle.

    Parameters
    ----------
    source : str
        What was to be released.
    reasons : list of str
        Every reason, one a line.
    """

    exit_code = 3

    def __init__(self, source: object, reasons: list[str]):
        self.source, self.reasons = str(source), reasons
        noun = "reason" if len(reasons) == 1 else "reasons"
        super().__init__(
            "\n".join(
                [
                    f"{source}: may not be released, {len(reasons)} {noun}",
                    *(f"  {r}" for r in reasons),
                ]
            )
        )
