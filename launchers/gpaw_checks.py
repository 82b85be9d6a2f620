"""Whether the engine gpaw has what it needs: for ``heterofire doctor``."""

from .gpaw_trial import GpawFacts, try_gpaw
from .machine_checks import Check

SETUP_COMMAND = "heterofire setup gpaw"


def check_gpaw() -> Check:
    """Check that GPAW starts and finds its PAW data; computing is the check of the engine."""
    return judge_gpaw(try_gpaw(compute=False))


def judge_gpaw(facts: GpawFacts) -> Check:
    """Return what is to be said about an installed GPAW.

    Examples
    --------
    >>> check = judge_gpaw(GpawFacts(problem="ModuleNotFoundError: No module named 'gpaw'"))
    >>> check.status, check.remedy
    ('failed', 'Install it: heterofire setup gpaw')
    >>> judge_gpaw(GpawFacts(version="26.7.0", paw_data=("/paw",))).status
    'warning'
    """
    if facts.problem:
        return Check(
            name="GPAW", status="failed", message=facts.problem,
            remedy=f"Install it: {SETUP_COMMAND}",
        )  # fmt: skip
    if not facts.dftd3:
        return Check(
            name="GPAW", status="warning", message=facts.describe(),
            remedy=f"IVDW 11 and 12 need the package dftd3: {SETUP_COMMAND}",
        )  # fmt: skip
    return Check(name="GPAW", status="ok", message=facts.describe())
