"""Corrections that custodian made: what they changed, and whether energies still go together."""

import re
from collections.abc import Mapping, Sequence

from .records import Band, DensityDifference, Run

# How a run gets to its result, not what the result is: nothing to warn of. Any other tag counts.
_WAYS = frozenset(
    {
        *("ALGO", "IALGO", "ISEARCH", "TIME", "NELM", "NELMIN", "NELMDL", "EDIFF", "NBANDS"),
        *("AMIX", "BMIX", "AMIN", "AMIX_MAG", "BMIX_MAG", "IMIX", "MAXMIX", "WEIMIN"),
        *("ISTART", "ICHARG", "LWAVE", "LCHARG", "IBRION", "IOPT", "POTIM", "NSW", "NFREE"),
        *("NCORE", "NPAR", "KPAR", "NSIM", "LPLANE", "LSCALAPACK", "LSCALU", "LSCAAWARE"),
    }
)
_SET = re.compile(r"(\w+)=((?:(?!, \w+=).)*)")
_UNSET = re.compile(r"unset (\w+)")

Corrected = Run | Band | DensityDifference


def changed_physics(corrections: Sequence[str]) -> Mapping[str, str]:
    """Return what corrections changed that an energy depends on, the last value of each.

    Parameters
    ----------
    corrections
        As `run_reports.read_corrections` returns them.

    Examples
    --------
    >>> dict(changed_physics(["VaspErrorHandler: brmix -> INCAR ISYM=0, ALGO=All",
    ...                       "VaspErrorHandler: zbrent -> CONTCAR file_copy dest POSCAR"]))
    {'ISYM': '0'}
    """
    changes: dict[str, str] = {}
    for correction in corrections:
        for action in correction.partition(" -> ")[2].split("; "):
            target, _, change = action.partition(" ")
            if target == "INCAR":
                found = {**dict(_SET.findall(change)), **dict.fromkeys(_UNSET.findall(change), "")}
                known = {tag.upper(): value for tag, value in found.items()}
                changes |= {tag: value for tag, value in known.items() if tag not in _WAYS}
            elif target in ("KPOINTS", "POTCAR") or action == "POSCAR changed":
                changes[target] = change
    return changes


def correction_notes(legs: Sequence[tuple[str, Corrected]]) -> list[str]:
    """Return a note for each correction, and one where legs were corrected to differ.

    Parameters
    ----------
    legs
        Role and record of what goes into one number.
    """
    made = [(role, getattr(record, "corrections", ())) for role, record in legs]
    notes = [f"{role} was corrected: {one}" for role, corrections in made for one in corrections]
    changes = [(role, changed_physics(corrections)) for role, corrections in made]
    tags = sorted({tag for _, change in changes for tag in change})
    differing = [tag for tag in tags if len({change.get(tag) for _, change in changes}) > 1]
    if differing:
        where = "; ".join(
            f"{tag} {change[tag] or 'taken away'} in {role}"
            for tag in differing
            for role, change in changes
            if tag in change
        )
        notes.append(f"legs differ in corrections: {where}")
    return list(dict.fromkeys(notes))
