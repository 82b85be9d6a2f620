"""What a careful colleague would say about a calculation before it is queued."""

from collections.abc import Iterator, Mapping
from typing import Any

from .incar_rules import Case
from .incar_tags import VTST_TAGS
from .kpoints import widest_spacing
from .potcars import enmax

_VACUUM = 15.0  # Angstrom
_NO_IMAGES = 10.0  # Angstrom, where no field of images reaches the slab: only its tails meet
_METAL_SPACING = 0.35  # 1/Angstrom, 2 pi included
_PULAY = 1.3  # ENCUT over ENMAX where the cell relaxes
_CUBIC = 1e-3  # Angstrom


def input_warnings(
    case: Case,
    incar: Mapping[str, Any],
    symbols: tuple[str, ...],
    asked: Mapping[str, Any],
    *,
    engine: str = "vasp",
) -> tuple[str, ...]:
    """Return one sentence for each doubt: value, limit, remedy.

    Parameters
    ----------
    case
        The structure and how it is to be computed.
    incar
        The final INCAR.
    symbols
        POTCAR symbols, one for each block of atoms.
    asked
        The overrides of the study.
    engine
        What will read the files: without ENCUT gpaw has no plane waves, which is no mistake.
    """
    checks = (
        () if engine == "gpaw" and "ENCUT" not in incar else _cutoff(case, incar, symbols),
        _vacuum(case, _NO_IMAGES if engine == "gpaw" and incar.get("IDIPOL") == 3 else _VACUUM),
        _dipole(case, incar),
        _metal(case),
        _charged_box(case),
        _odd_moments(case, incar),
        _no_vtst(case, asked),
        _blocks(symbols),
    )
    return tuple(warning for check in checks for warning in check)


def _cutoff(case: Case, incar: Mapping[str, Any], symbols: tuple[str, ...]) -> Iterator[str]:
    cutoff = incar.get("ENCUT")
    hardest = max(symbols, key=enmax)
    needed = enmax(hardest)
    if cutoff is None:
        yield f"ENCUT is not set: VASP takes {needed:g} eV here, another value elsewhere. Set it."
    elif cutoff < needed:
        yield (
            f"ENCUT {cutoff:g} eV is below ENMAX {needed:g} eV of {hardest}. "
            "Raise ENCUT in every calculation of the study, or choose a softer potential."
        )
    elif incar.get("ISIF") == 3 and cutoff < _PULAY * needed:
        yield (
            f"ISIF 3 with ENCUT {cutoff:g} eV, below {_PULAY} times ENMAX of {hardest} "
            f"({_PULAY * needed:.0f} eV): Pulay stress makes the cell too small. Raise ENCUT."
        )


def _vacuum(case: Case, least: float) -> Iterator[str]:
    if case.kind == "slab" and case.shape.vacuum < least:
        yield (
            f"vacuum {case.shape.vacuum:.1f} Angstrom is below {least:g}: periodic images of "
            "the slab see each other. Make c longer ('vacuums' of the study), or say is_slab=False "
            "in Python for a crystal."
        )


def _dipole(case: Case, incar: Mapping[str, Any]) -> Iterator[str]:
    if case.kind == "slab" and case.shape.is_asymmetric and not incar.get("IDIPOL"):
        yield (
            f"slab with two different faces and no dipole correction (IDIPOL unset in profile "
            f"{case.preset.profile}): its energy holds the field between periodic images. "
            "Use profile paper or converged with VASP, or set IDIPOL, DIPOL and LDIPOL."
        )


def _metal(case: Case) -> Iterator[str]:
    spacing = widest_spacing(case.structure, case.mesh, case.kind)
    if _looks_metallic(case) and spacing > _METAL_SPACING:
        mesh = "x".join(str(n) for n in case.mesh)
        yield (
            f"{mesh} k-points on a metal ({case.structure.composition.reduced_formula}): spacing "
            f"{spacing:.2f} 1/Angstrom, above {_METAL_SPACING}. Use a denser mesh, or a larger "
            "supercell where the engine has Gamma only."
        )


def _looks_metallic(case: Case) -> bool:
    """Return whether all elements are metals, but for N or C between more metal atoms."""
    composition = case.structure.composition.element_composition
    others = [element for element in composition if not element.is_metal]
    in_between = sum(composition[element] for element in others)
    return all(element.symbol in "NC" for element in others) and (
        2 * in_between <= composition.num_atoms
    )


def _charged_box(case: Case) -> Iterator[str]:
    if not case.charge:
        return
    lengths = case.structure.lattice.abc
    is_cubic = case.structure.lattice.is_orthogonal and max(lengths) - min(lengths) < _CUBIC
    if not is_cubic:
        a, b, c = lengths
        yield (
            f"charge {case.charge:+d} in a box of {a:.2f} x {b:.2f} x {c:.2f} Angstrom: the "
            "correction of a charged cell holds for cubes only. Use a cubic box."
        )
    if not case.preset.dipole:
        yield (
            f"charge {case.charge:+d} without a correction for its periodic images (profile "
            f"{case.preset.profile}). Use profile paper or converged with VASP."
        )


def _odd_moments(case: Case, incar: Mapping[str, Any]) -> Iterator[str]:
    moments = incar.get("MAGMOM")
    if case.kind != "box" or incar.get("ISPIN") != 2 or not isinstance(moments, list | tuple):
        return
    total = abs(sum(moments))
    is_default = len(moments) > 1 and all(moment == 1 for moment in moments)
    if total == round(total) and (round(total) - round(case.nelect)) % 2 and not is_default:
        yield (
            f"MAGMOM sums to {total:g}, which {case.nelect:g} electrons cannot have. VASP starts "
            "there and finds another total; the embedded engine refuses it. Correct the moments."
        )


def _no_vtst(case: Case, asked: Mapping[str, Any]) -> Iterator[str]:
    if case.has_vtst:
        return
    dropped = sorted(tag for tag in asked if tag in VTST_TAGS)
    if case.preset.task == "neb" or dropped:
        left_out = ", ".join(dropped or sorted(VTST_TAGS.keys() & case.preset.vtst.keys()))
        yield (
            f"no worker declares VTST: {left_out} left out, plain NEB without a climbing image, "
            "so that the highest image lies below the barrier. "
            "Declare VTST for a worker whose VASP has it."
        )


def _blocks(symbols: tuple[str, ...]) -> Iterator[str]:
    if len(set(symbols)) < len(symbols):
        yield (
            f"POSCAR has {len(symbols)} blocks of atoms for {len(set(symbols))} potentials "
            f"({' '.join(symbols)}). Sort the atoms by element."
        )
