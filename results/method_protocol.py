"""Sentences on what was done: relaxations, bands, vibrations, charges, and what energies mean."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .citations import cite
from .method_words import TASKS, agreed, between, counted, listed, scientific, where
from .records import Property
from .study_rows import StudyRow

Rows = Sequence[StudyRow]

_RELAXES = (1, 2, 3)  # IBRION
_VIBRATES = (5, 6)
_OPTIMISERS = {1: "a quasi-Newton method", 2: "conjugate gradients", 3: "damped dynamics"}
_CELL_FIXED = 2  # ISIF 0 to 2
_BADER = {"near-grid": "tang2009", "on-grid": "henkelman2006", "weight": "yu2011"}
_N_NAMED = 30
_N_QUANTITIES = 12


def geometry(rows: Rows) -> str:
    """Return how geometries were relaxed and which atoms were held."""
    relaxed = [row for row in rows if _is_relaxed(row)]
    if not relaxed:
        return "No geometry was relaxed."
    cells = agreed(
        relaxed,
        lambda row: int(row.incar.get("ISIF", _CELL_FIXED)) <= _CELL_FIXED,
        lambda fixed: "in fixed cells" if fixed else "together with the cell",
    )
    how = ""
    if relaxed[0].settings.engine == "vasp":
        optimiser = agreed(relaxed, lambda r: int(r.incar["IBRION"]), lambda i: _OPTIMISERS[i])
        how = f" by {optimiser}"
    said = [
        f"Geometries were relaxed{how} {cells} ({counted(len(relaxed), 'relaxation')}) until "
        f"{_until(relaxed)}."
    ]
    held = [row for row in relaxed if row.n_held]
    if held:
        atoms = between([row.n_held for row in held])
        said.append(
            f"In {len(held)} of them part of the atoms ({atoms}) were held at their positions."
        )
    return " ".join(said)


def _is_relaxed(row: StudyRow) -> bool:
    """Return whether atoms could move, and did so for their energy."""
    return (
        row.kind == "run"
        and row.incar.get("IBRION") in _RELAXES
        and row.incar.get("NSW", 0) > 0
        and row.columns["n_atoms"] > row.n_held
        and (row.columns["n_atoms"] > 1 or int(row.incar.get("ISIF", 2)) > _CELL_FIXED)
    )


def _until(rows: Rows) -> str:
    """Return the criterion at which a relaxation ended."""

    def words(value: float) -> str:
        if value < 0:
            return f"the largest force on an atom free to move was below {-value:g} eV Å⁻¹"
        return f"the energy changed by less than {scientific(value)} eV from step to step"

    def criterion(row: StudyRow) -> float:
        return float(row.incar.get("EDIFFG", 10 * float(row.incar.get("EDIFF", 1e-4))))

    return agreed(rows, criterion, words)


def bands(rows: Rows, *, is_ours: bool) -> str:
    """Return how elastic bands were computed; empty where there are none.

    Parameters
    ----------
    rows
        Calculations of the study.
    is_ours
        Whether heterofire has made the inputs, so that the start of the bands is known.
    """
    found = [row for row in rows if row.kind == "band"]
    if not found:
        return ""
    climbing = [row for row in found if row.details.get("is_climbing")]
    images = agreed(found, lambda row: row.n_images, lambda n: counted(n, "image"))
    keys = ("henkelman2000", *(("henkelman2000climbing",) if climbing else ()))
    extent = "" if len(climbing) in (0, len(found)) else f" ({len(climbing)} of them climbing)"
    name = "climbing-image nudged elastic bands" if climbing else "nudged elastic bands"
    said = [
        f"Barriers are those of {name}{cite(*keys)}{extent}: {counted(len(found), 'band')} of "
        f"{images} between relaxed end points, optimised until {_until(found)}."
    ]
    if is_ours:
        scans = any("scan" in name for row in rows for name in row.names)
        through = ", or led through the geometries of relaxed scans" if scans else ""
        said.append(
            "Starting paths were interpolated by the image-dependent pair potential"
            f"{cite('smidstrup2014')}{through}."
        )
    return " ".join(said)


def vibrations(rows: Rows, properties: Iterable[Property]) -> str:
    """Return how vibrations were computed and what for; empty where there are none."""
    found = [row for row in rows if row.incar.get("IBRION") in _VIBRATES]
    if not found:
        return ""
    step = agreed(found, lambda row: float(row.incar.get("POTIM", 0.015)), lambda x: f"{x:g} Å")
    said = (
        f"Harmonic vibrations ({counted(len(found), 'calculation')}) come from finite differences "
        f"of forces with displacements of {step}."
    )
    if any("F_vib" in item.energy_kind for item in properties):
        said += " Free energies are E₀ plus zero-point energy and thermal terms of these modes."
    return said


def charges(rows: Rows, properties: Sequence[Property]) -> str:
    """Return how charges, densities and levels were analysed; only what a number uses."""
    said = []
    references = {item.reference for item in properties if item.value is not None}
    quantities = {item.quantity for item in properties if item.value is not None}
    if any("Bader" in name for name in references):
        said.append(_bader(rows))
    schemes = {
        row.details["site_charges"]["scheme"] for row in rows if "site_charges" in row.details
    }
    named = sorted(schemes & {reference.split(" (")[0] for reference in references})
    if named:
        said.append(f"{listed(named)} charges are given beside them.")
    if any(row.kind == "difference" for row in rows):
        said.append(
            "Density differences are the density of the whole minus those of its parts, frozen in "
            "the geometry of the whole."
        )
    if any("ELF" in name for name in quantities):
        said.append(f"The electron localization function (ELF){cite('becke1990')} was evaluated.")
    if any("DOS" in name or "band centre" in name for name in quantities):
        said.append(_dos(rows))
    return " ".join(said)


def _bader(rows: Rows) -> str:
    """Return the algorithms and grids of Bader charges."""
    found = [row for row in rows if row.details.get("bader")]
    entries = [entry for row in found for entry in row.details["bader"]]
    algorithms = sorted({entry["algorithm"] for entry in entries})
    named = listed([f"{name}{cite(_BADER[name])}" for name in algorithms])
    reference = listed(sorted({entry["reference"] for entry in entries}))
    spacing = between([_grid_spacing(row) for row in found], 2)
    how = "the all-electron density reconstructed from" if _is_vasp(rows) else "the density"
    said = (
        f"Bader charges ({named} algorithm) count the valence density in volumes bounded by the "
        f"zero-flux surfaces of {how} {reference}, on grids of {spacing} Å."
    )
    if not _is_vasp(rows):
        said += (
            " The valence density is that of the method's Slater functions; model cores "
            "only mark the nuclei."
        )
    return said


def _grid_spacing(row: StudyRow) -> float:
    """Return the widest distance of grid points of a density, in Angstrom."""
    lengths = np.array(row.structures[0].lattice.abc)
    return float(max(lengths / np.array(row.details["bader"][0]["grid"], dtype=float)))


def _is_vasp(rows: Rows) -> bool:
    return rows[0].settings.engine == "vasp"


def _dos(rows: Rows) -> str:
    """Return how states were broadened and attributed to atoms."""
    found = [row for row in rows if "dos" in row.details]
    how = {"PAW spheres": "projections inside the PAW spheres", "Mulliken": "Mulliken populations"}
    names = sorted({row.details["dos"]["projection"] for row in found})
    said = f"Partial densities of states are {listed([how.get(name, name) for name in names])}"
    if any("derivative of the Fermi function" in note for row in found for note in row.notes):
        said += "; each level is broadened by the derivative of the Fermi function"
    return f"{said}."


def cells(rows: Rows) -> str:
    """Return what the periodic models hold; empty where there are too many to be named."""
    hosts: dict[str, StudyRow] = {}
    for row in rows:
        plain = [model for model in row.models if f"{model}/relax" in row.names]
        if plain and row.kind == "run" and not row.is_isolated:
            hosts.setdefault(plain[0], row)
    if not 0 < len(hosts) <= _N_QUANTITIES:
        return ""
    said = []
    for model, row in sorted(hosts.items()):
        lattice = row.structures[0].lattice
        lengths = " × ".join(f"{length:.2f}" for length in lattice.abc)
        said.append(f"{model} ({row.columns['n_atoms']} atoms, {lengths} Å)")
    return f"Periodic models and their cells: {', '.join(said)}."


def energies(properties: Sequence[Property]) -> str:
    """Return what reported energies are measured against; empty where there are none."""
    references: dict[str, list[str]] = {}
    for item in properties:
        if item.energy_kind and item.reference:
            known = references.setdefault(item.quantity, [])
            if item.reference not in known:
                known.append(item.reference)
    if not references:
        return ""
    by_reference: dict[str, list[str]] = {}
    for name, found in list(references.items())[:_N_QUANTITIES]:
        by_reference.setdefault(", ".join(found), []).append(name)
    shown = [f"{listed(names)} to {found}" for found, names in by_reference.items()]
    return (
        f"Energies are given relative to stated references: {'; '.join(shown)}. "
        "Every difference balances atoms and charge, and was taken only between calculations of "
        "the same engine, method, cutoff, PAW data sets, dispersion, Hubbard U and smearing."
    )


def bookkeeping(rows: Rows, study: str, profile: str) -> str:
    """Return how many calculations there are, what was corrected, and what did not converge."""
    tasks = Counter(row.tasks[0] for row in rows)
    kinds = [
        f"{number} {TASKS.get(task, (task, task))[number > 1]}"
        for task, number in tasks.most_common()
    ]
    said = [
        f"The study {study} (profile {profile}) holds {counted(len(rows), 'calculation')}: "
        f"{listed(kinds)}."
    ]
    corrected = [row for row in rows if row.corrections]
    if corrected:
        said.append(
            f"Custodian changed settings of {len(corrected)} while they ran "
            f"({where(corrected, rows)})."
        )
    failed = [row for row in rows if row.status != "converged"]
    said.append(_unconverged(failed) if failed else "All of them converged.")
    return " ".join(said)


def _unconverged(rows: Rows) -> str:
    """Return which calculations did not converge, and how far they were from it."""
    named = [
        row.name + (f" ({row.largest_force:.2g})" if row.largest_force is not None else "")
        for row in rows
    ]
    more = "" if len(named) <= _N_NAMED else f" and {len(named) - _N_NAMED} more"
    return (
        f"Not converged were {len(rows)} (largest remaining force in eV Å⁻¹): "
        f"{'; '.join(named[:_N_NAMED])}{more}. Numbers that rest on them are marked."
    )
