"""VASP inputs of one calculation: preset, structure and study put together, and written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymatgen.core import Structure

from ..structures.checks import check_structure
from ..structures.errors import InputError
from ..structures.files import write_atomic
from .incar_rules import Case, Derived, Spin, derived_tags
from .incar_tags import VTST_TAGS, tag_problem
from .input_warnings import input_warnings
from .kpoints import Kind, Mesh, Style, inequivalent_points, mesh_for
from .potcar_files import assemble_potcar
from .potcars import potcar_symbols, valence_electrons
from .preset_files import Preset, load_preset

if TYPE_CHECKING:
    from .input_sets import HeteroInputSet

# Tags that must agree with something outside the INCAR, and what to say instead of them.
_NOT_BY_HAND = {
    "IMAGES": "images",
    "KSPACING": "kpoint_spacing (VASP ignores KSPACING beside a KPOINTS file)",
    "NELECT": "charge",
}


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The input files of one calculation, all but the structure."""

    incar: dict[str, Any]  # sorted by tag
    kpoints: dict[str, Any]  # {"style": "Gamma", "mesh": [1, 1, 1], "n_kpoints": 1}
    potcar_symbols: tuple[str, ...]  # one for each block of atoms
    changes: tuple[str, ...] = ()  # every tag that differs from the preset, and why
    warnings: tuple[str, ...] = ()
    nelect: float | None = None  # electrons of the cell, by ZVAL and charge


def make_inputs(
    structure: Structure,
    *,
    task: str,
    profile: str,
    overrides: Mapping[str, Any] | None = None,
    charge: int = 0,
    is_slab: bool = True,
    is_molecule: bool = False,
    spin: Spin = None,
    has_vtst: bool = False,
    engine: str = "vasp",
    potcars: Mapping[str, str] | None = None,
    kpoint_spacing: float | None = None,
    mesh: Sequence[int] | None = None,
    kpoint_style: Style = "Gamma",
    images: int | None = None,
) -> Inputs:
    """Return the inputs of a calculation; nothing is written.

    Parameters
    ----------
    structure
        Atoms in the order they are to have in the POSCAR; never reordered.
    task, profile
        Name the preset: "relax" and "paper".
    overrides
        INCAR tags that win over everything else; None takes a tag away.
    charge
        Net charge of the cell in e; only for molecules and atoms in a box.
    is_slab
        Whether c holds vacuum. Tasks "molecule" and "bulk" know better and ignore it, and so does
        "vibrations" where every atom is free: that is a molecule.
    is_molecule
        Whether the cell is a box with vacuum all around. Any task but "bulk" then has the dipole
        correction and the mesh of task "molecule"; that task itself is always one.
    spin
        None: on for magnetic elements, and for free atoms and molecules with unpaired electrons.
        True, False: on, off. Moments (Bohr magnetons) by element or one for each atom: on.
    has_vtst
        The worker has VTST's climbing image (LCLIMB, IOPT).
    engine
        What will read the files; no file depends on it, but the warnings do.
    potcars
        POTCAR symbols by element that replace the defaults.
    kpoint_spacing, mesh
        Replace the preset's mesh: largest spacing in 1/Angstrom (2 pi included), or the mesh.
    kpoint_style
        "Monkhorst-Pack": a spacing gives even numbers, and none of the points is Gamma.
    images
        Images between the end points; needed for "neb".

    Raises
    ------
    InputError
        Unknown task, profile or tag; no POTCAR symbol; a charged slab or crystal; a molecule
        with an odd number of electrons and no spin.
    StructureError
        Atoms closer than 0.7 Angstrom.

    Examples
    --------
    >>> from heterofire.structures.layers import mx2_monolayer
    >>> inputs = make_inputs(
    ...     mx2_monolayer(), task="relax", profile="paper", overrides={"ENCUT": 450})
    >>> inputs.potcar_symbols, inputs.kpoints["mesh"], inputs.nelect
    (('Mo_pv', 'S'), [1, 1, 1], 24.0)
    >>> inputs.changes[-1]
    'ENCUT 400 -> 450 (study)'
    """
    kind = _kind(structure, task, is_slab=is_slab, is_molecule=is_molecule)
    preset = _preset(task, profile, kind)
    _check_request(structure, kind, charge)
    asked = _checked_overrides(overrides or {})
    wanted = {**_wanted_mesh(preset, kpoint_spacing, mesh), "style": kpoint_style}
    elements = [site.specie.symbol for site in structure]
    symbols = tuple(potcar_symbols(structure, potcars or {}))
    case = Case(
        structure=structure,
        preset=preset,
        kind=kind,
        mesh=mesh_for(structure, wanted, kind),
        charge=charge,
        nelect=valence_electrons(elements, potcars or {}) - charge,
        spin=spin,
        images=images,
        has_vtst=has_vtst,
    )
    derived = derived_tags(case)
    granted = {tag: value for tag, value in asked.items() if has_vtst or tag not in VTST_TAGS}
    incar, changes = _merge(preset.incar, derived, granted)
    _check_spin(case, incar)
    return Inputs(
        incar=incar,
        kpoints=_kpoints(case.mesh, kpoint_style),
        potcar_symbols=symbols,
        changes=changes,
        warnings=input_warnings(case, incar, symbols, asked, engine=engine),
        nelect=case.nelect,
    )


def input_set(inputs: Inputs, structure: Structure) -> "HeteroInputSet":
    """Return pymatgen's VaspInputSet of exactly these inputs."""
    from .input_sets import HeteroInputSet  # pymatgen's sets take 1 s to import

    return HeteroInputSet.from_inputs(inputs, structure)


def write_inputs(
    inputs: Inputs,
    structure: Structure,
    folder: str | Path,
    *,
    potcar_dir: str | Path | None = None,
) -> Path:
    """Write INCAR, KPOINTS, POSCAR and POTCAR.spec, and POTCAR where a library is given.

    Parameters
    ----------
    folder
        Made when it is not there; files of the same names are replaced, each as a whole.
    potcar_dir
        POTCAR library of this machine (see ``potcar_files.potcar_library``).

    Raises
    ------
    InputError
        The structure's blocks of elements are not those the POTCAR symbols were made for.
    HeteroError
        The disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    files = input_set(inputs, structure)
    # POSCAR last: a folder with a POSCAR has all the rest
    _write_common(inputs, files, folder, potcar_dir)
    write_atomic(folder / "POSCAR", files.poscar.get_str())
    return folder


def write_neb_inputs(
    inputs: Inputs,
    images: Sequence[Structure],
    folder: str | Path,
    *,
    potcar_dir: str | Path | None = None,
) -> Path:
    """Write the inputs of a band: one set on top, and a POSCAR in each of 00, 01 ...

    Parameters
    ----------
    images
        Both end points included; IMAGES + 2 of them.

    Raises
    ------
    InputError
        Another number of images than IMAGES says, or images that differ in atoms or cell.
    """
    folder = Path(folder)
    _check_images(inputs, images)
    sets = [input_set(inputs, image) for image in images]
    _write_common(inputs, sets[0], folder, potcar_dir)
    for number, files in enumerate(sets):
        write_atomic(folder / f"{number:02d}" / "POSCAR", files.poscar.get_str())
    return folder


def _write_common(
    inputs: Inputs, files: "HeteroInputSet", folder: Path, potcar_dir: str | Path | None
) -> None:
    """Write what all images share."""
    write_atomic(folder / "INCAR", str(files.incar))
    write_atomic(folder / "KPOINTS", str(files.kpoints))
    write_atomic(folder / "POTCAR.spec", "\n".join(inputs.potcar_symbols) + "\n")
    if potcar_dir is not None:
        assemble_potcar(folder, potcar_dir)


def _check_request(structure: Structure, kind: Kind, charge: int) -> None:
    """Refuse what cannot be computed, before anything is made."""
    if not structure.is_ordered:
        raise InputError(
            f"{structure.composition.formula} has partly occupied sites; "
            "choose one ordered arrangement first."
        )
    check_structure(structure)
    if charge and kind != "box":
        what = "slab" if kind == "slab" else "crystal"
        raise InputError(
            f"charge {charge:+d} on a {what} ({structure.composition.reduced_formula}): VASP has "
            "no correction for it, so its energy depends on the cell. Put the counter-ion (Li, K) "
            "into the cell and leave charge at 0, or use task 'molecule' for a molecule in a box."
        )


def _check_spin(case: Case, incar: Mapping[str, Any]) -> None:
    """Refuse a molecule or free atom with an unpaired electron and no spin."""
    if case.kind == "box" and round(case.nelect) % 2 and incar.get("ISPIN") != 2:
        raise InputError(
            f"ISPIN {incar.get('ISPIN', 1)} for {case.structure.composition.formula} with charge "
            f"{case.charge:+d}: {case.nelect:g} electrons, an odd number, leave one unpaired. "
            "Take ISPIN out of the overrides or leave spin on; if the molecule is meant to be "
            "closed-shell, correct its charge."
        )


def _kind(structure: Structure, task: str, *, is_slab: bool, is_molecule: bool) -> Kind:
    """Return along which axes there is vacuum."""
    if is_molecule and task == "bulk":
        raise InputError("task 'bulk' is for crystals: relax a molecule with task 'molecule'.")
    if is_molecule or task == "molecule" or (task == "vibrations" and _is_free(structure)):
        return "box"
    return "slab" if is_slab and task != "bulk" else "bulk"


def _is_free(structure: Structure) -> bool:
    """Return whether no atom is held."""
    flags = structure.site_properties.get("selective_dynamics")
    return flags is None or all(all(directions) for directions in flags)


def _preset(task: str, profile: str, kind: Kind) -> Preset:
    """Return the preset; whatever is done to a molecule is done in the box it was relaxed in."""
    preset = load_preset(task, profile)
    if kind != "box":
        return preset
    molecule = load_preset("molecule", profile)
    return replace(preset, dipole=molecule.dipole, kpoints=molecule.kpoints)


def _checked_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides with tags in upper case, or say which one is wrong."""
    checked = {str(tag).strip().upper(): value for tag, value in overrides.items()}
    for tag, value in checked.items():
        if tag in _NOT_BY_HAND:
            raise InputError(f"{tag} is not set by hand: give {_NOT_BY_HAND[tag]} instead.")
        problem = None if value is None else tag_problem(tag, value)
        if problem:
            raise InputError(f"{problem} Correct it in the study's overrides.")
    return checked


def _wanted_mesh(
    preset: Preset, spacing: float | None, mesh: Sequence[int] | None
) -> Mapping[str, Any]:
    """Return how the mesh is to be found: as asked, else as the preset says."""
    if spacing is not None and mesh is not None:
        raise InputError("give kpoint_spacing or mesh, not both.")
    if mesh is not None:
        if len(mesh) != 3 or any(n < 1 for n in mesh):
            raise InputError(f"mesh {list(mesh)} is not three positive numbers.")
        return {"mesh": list(mesh)}
    if spacing is not None:
        if spacing <= 0:
            raise InputError(f"kpoint_spacing {spacing} 1/Angstrom is not positive.")
        return {"spacing": spacing}
    return preset.kpoints


def _merge(
    preset: Mapping[str, Any], derived: Derived, granted: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the INCAR, sorted by tag, and what differs from the preset."""
    steps = [(tag, value, reason) for tag, (value, reason) in derived.items() if tag not in granted]
    steps += [(tag, value, "study") for tag, value in granted.items()]
    incar, changes = dict(preset), []
    for tag, value, reason in steps:
        old, incar[tag] = incar.get(tag), value
        if old != value:
            changes.append(f"{tag} {_shown(old)} -> {_shown(value)} ({reason})")
    return {tag: incar[tag] for tag in sorted(incar) if incar[tag] is not None}, tuple(changes)


def _shown(value: Any) -> str:
    """Return a value as it reads in a sentence."""
    if value is None:
        return "unset"
    return " ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def _kpoints(mesh: Mesh, style: Style) -> dict[str, Any]:
    """Return KPOINTS as plain data."""
    return {"style": style, "mesh": list(mesh), "n_kpoints": inequivalent_points(mesh, style)}


def _check_images(inputs: Inputs, images: Sequence[Structure]) -> None:
    """Refuse images that are not one band."""
    wanted = inputs.incar.get("IMAGES")
    if wanted is None or len(images) != wanted + 2:
        raise InputError(
            f"{len(images)} structures for IMAGES = {wanted}; a band needs IMAGES + 2, both end "
            "points included. Interpolate again or make the inputs with another number."
        )
    first = images[0]
    for number, image in enumerate(images):
        if image.species != first.species or image.lattice != first.lattice:
            raise InputError(
                f"image {number:02d} differs from image 00 in its atoms or its cell; "
                "all images of a band need the same, in the same order."
            )
