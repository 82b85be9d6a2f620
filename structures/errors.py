"""Every foreseeable failure, so that anything else is known to be our bug."""


class HeteroError(Exception):
    """A failure we foresaw; the message says what was found, wanted, where, and what to do."""

    exit_code = 1


class InputError(HeteroError):
    """What the user asked for is wrong: a name, a file, a value (exit code 2)."""

    exit_code = 2


class StructureError(HeteroError):
    """A structure that cannot be built or is not sane, such as atoms closer than 0.7 Angstrom."""


class NoMatchError(StructureError):
    """No common supercell within the limits."""


class RunError(HeteroError):
    """A run folder whose numbers cannot be trusted; names the file and what is wrong with it."""


class EngineError(HeteroError):
    """An engine that died, or that was asked for what it cannot do; names the tag."""


class QueueError(HeteroError):
    """A scheduler that refuses a job or does not answer; its own words are in the message."""


class StoreError(HeteroError):
    """A LaunchPad or result database that cannot be read or written; the file is kept as it is."""
