"""Sentences on the level of theory: method, basis, spin, sampling of the Brillouin zone."""

from collections.abc import Sequence
from typing import Any

from .citations import cite
from .method_words import agreed, between, counted, listed, scientific, where
from .study_rows import StudyRow

Rows = Sequence[StudyRow]

_FUNCTIONALS = {
    "PBE": ("perdew1996",),
    "PBEsol": ("perdew2008",),
    "RPBE": ("hammer1999",),
    "revPBE": ("zhang1998",),
    "SCAN": ("sun2015",),
    "R2SCAN": ("furness2020",),
    "HSE06": ("heyd2003", "krukau2006"),
    "HSE03": ("heyd2003",),
}
_DISPERSIONS = {
    "D2": ("Grimme's D2 correction", ("grimme2006",)),
    "D3(zero)": ("Grimme's D3 correction with zero damping", ("grimme2010",)),
    "D3(BJ)": ("Grimme's D3 correction with Becke-Johnson damping", ("grimme2010", "grimme2011")),
    "D4": ("the D4 correction", ("caldeweyher2019",)),
    "TS": ("the Tkatchenko-Scheffler correction", ("tkatchenko2009",)),
}
_XTB = {
    "GFN1-xTB": ("grimme2017", "D3 dispersion with Becke-Johnson damping"),
    "GFN2-xTB": ("bannwarth2019", "D4 dispersion"),
}
_TAGS = ("PREC", "ALGO", "LREAL", "LASPH", "ISYM", "ADDGRID", "LMAXMIX")
_LIECHTENSTEIN = 1  # LDAUTYPE
_SEVERAL_MESHES = 4
_WITHOUT_WIDTH = ("tetrahedron", "fixed occupations")


def theory(rows: Rows) -> str:
    """Return what the energies were computed with.

    Parameters
    ----------
    rows
        Calculations of one engine that a program has run, at least one.

    Returns
    -------
    str
        Sentences with citations.
    """
    words = {"vasp": _vasp, "gpaw": _gpaw}.get(rows[0].settings.engine, _tight_binding)
    said = words(rows)
    return " ".join([*said, _smearing(rows), *_spin(rows), *_charges(rows)])


def sampling(rows: Rows) -> str:
    """Return how the Brillouin zone was sampled, and what was done about periodic images."""
    isolated = [row for row in rows if row.is_isolated]
    repeated = [row for row in rows if not row.is_isolated]
    said = _meshes(repeated) if repeated else []
    if isolated:
        said.append(_isolated(isolated))
    corrected = [row for row in repeated if row.incar.get("LDIPOL") and "IDIPOL" in row.incar]
    if corrected:
        axes = agreed(corrected, lambda row: int(row.incar["IDIPOL"]), lambda i: "abc"[i - 1])
        said.append(
            f"A dipole correction{cite('neugebauer1992')} along {axes} was applied in "
            f"{len(corrected)} of {counted(len(repeated), 'periodic calculation')}."
        )
    return " ".join(said)


def _tight_binding(rows: Rows) -> list[str]:
    """Return the sentences on an xTB method."""

    def words(functional: str) -> str:
        key, dispersion = _XTB.get(functional, ("", "dispersion"))
        citation = cite(key) if key else ""
        return f"{functional}{citation}, which includes {dispersion}"

    method = agreed(rows, lambda row: row.settings.functional, words)
    version = agreed(rows, lambda row: str(row.columns["engine_version"]), str)
    said = [
        "All energies and forces were computed with the semiempirical tight-binding method "
        f"{method}, as implemented in {version}{cite('tblite')}; no density functional was used.",
    ]
    tolerances = [row for row in rows if "EDIFF" in row.incar]
    if tolerances:
        said.append(f"The self-consistent field was converged to {_ediff(tolerances)}.")
    return said


def _gpaw(rows: Rows) -> list[str]:
    """Return the sentences on GPAW: functional, basis, grid."""
    version = agreed(rows, lambda row: str(row.columns["engine_version"]), str)
    functional = agreed(
        rows,
        lambda row: row.settings.functional,
        lambda name: f"{name}{cite(*_FUNCTIONALS.get(name, ()))}",
    )
    basis = agreed(rows, lambda row: row.settings.method, _gpaw_basis)
    said = [
        f"Density functional theory calculations were carried out with {version}"
        f"{cite('mortensen2024')} and the projector augmented-wave method{cite('bloechl1994')}, "
        f"with the functional {functional} and {basis}.",
        f"{_dispersion(rows)}.",
    ]
    tolerances = [row for row in rows if "EDIFF" in row.incar]
    if tolerances:
        said.append(f"The self-consistent field was converged to {_ediff(tolerances)}.")
    return said


def _gpaw_basis(method: str) -> str:
    """Return what the wavefunctions are expanded in.

    Examples
    --------
    >>> _gpaw_basis("PBE-D3(zero), LCAO szp(dzp), h 0.22 A, 1160 K")
    'a basis of atomic orbitals [@larsen2009], szp(dzp), on a grid of spacing 0.22 Å'
    >>> _gpaw_basis("PBE, PW 400 eV, 1160 K")
    'plane waves up to 400 eV'
    """
    parts = [part.split(maxsplit=1) for part in method.split(", ")]
    found = {part[0]: part[1] for part in parts if len(part) == 2}
    if "PW" in found:
        return f"plane waves up to {found['PW']}"
    grid = f"of {found['grid']} points" if "grid" in found else ""
    spacing = f"of spacing {found['h'].replace(' A', ' Å')}" if "h" in found else grid
    basis = f"a basis of atomic orbitals{cite('larsen2009')}, {found.get('LCAO', 'LCAO')}"
    return f"{basis}, on a grid {spacing}".removesuffix(", on a grid ")


def _vasp(rows: Rows) -> list[str]:
    """Return the sentences on plane-wave DFT."""
    version = agreed(rows, lambda row: str(row.columns["engine_version"]), str)
    functional = agreed(
        rows,
        lambda row: row.settings.functional,
        lambda name: f"{name}{cite(*_FUNCTIONALS.get(name, ()))}",
    )
    cutoff = agreed(rows, lambda row: row.settings.cutoff or 0.0, lambda value: f"{value:g} eV")
    said = [
        f"Density functional theory calculations were carried out with VASP {version}"
        f"{cite('kresse1996cms', 'kresse1996prb')} and the projector augmented-wave method"
        f"{cite('bloechl1994', 'kresse1999')}, with the functional {functional} and plane waves "
        f"up to {cutoff}.",
        f"{_dispersion(rows)}.",
        f"The PAW data sets were {_potcars(rows)}.",
        *_hubbard(rows),
    ]
    tolerances = [row for row in rows if "EDIFF" in row.incar]
    if tolerances:
        said.append(f"The self-consistent field was converged to {_ediff(tolerances)}.")
    tags = [f"{tag} = {agreed(rows, _tag(tag), str)}" for tag in _TAGS if _is_set(rows, tag)]
    return [*said, *([f"Further tags: {'; '.join(tags)}."] if tags else [])]


def _ediff(rows: Rows) -> str:
    return agreed(
        rows,
        lambda row: float(row.incar["EDIFF"]),
        lambda value: f"{scientific(value)} eV",
    )


def _tag(tag: str) -> Any:
    """Return a function that reads a tag as VASP would print it."""

    def read(row: StudyRow) -> str:
        value = row.incar.get(tag, "default")
        return f".{value}.".upper() if isinstance(value, bool) else str(value)

    return read


def _is_set(rows: Rows, tag: str) -> bool:
    return any(tag in row.incar for row in rows)


def _dispersion(rows: Rows) -> str:
    """Return which dispersion correction was added."""

    def words(name: str) -> str:
        if name == "none":
            return "no dispersion correction"
        text, keys = _DISPERSIONS.get(name, (f"the dispersion correction {name}", ()))
        return f"{text}{cite(*keys)}"

    said = agreed(rows, lambda row: row.settings.dispersion, words)
    return f"{said[0].upper()}{said[1:]} was added"


def _potcars(rows: Rows) -> str:
    """Return the TITELs, each once; elements with two data sets are told apart."""
    titels = {titel for row in rows for titel in row.settings.potcars}
    by_element: dict[str, list[str]] = {}
    for titel in sorted(titels, key=lambda name: name.split()[1:] or [name]):
        by_element.setdefault(_element(titel), []).append(titel)
    said = []
    for found in by_element.values():
        if len(found) == 1:
            said.append(found[0])
            continue
        for titel in found:
            using = [row for row in rows if titel in row.settings.potcars]
            said.append(f"{titel} (in {where(using, rows)})")
    return ", ".join(said)


def _element(titel: str) -> str:
    """Return the element of "PAW_PBE K_sv 06Sep2000"."""
    words = titel.split()
    return words[1 if len(words) > 1 else 0].split("_")[0]


def _hubbard(rows: Rows) -> list[str]:
    """Return the sentence on Hubbard corrections, if there are any."""
    corrected = [row for row in rows if row.settings.hubbard_u]
    if not corrected:
        return []
    kinds = {int(row.incar.get("LDAUTYPE", 2)) for row in corrected}
    key = "liechtenstein1995" if kinds == {_LIECHTENSTEIN} else "dudarev1998"
    values = agreed(
        corrected,
        lambda row: row.settings.hubbard_u,
        lambda pairs: listed([f"{u:g} eV on {element}" for element, u in pairs]),
    )
    extent = "" if len(corrected) == len(rows) else f" in {where(corrected, rows)}"
    return [f"A Hubbard correction{cite(key)} with U − J of {values} was used{extent}."]


def _smearing(rows: Rows) -> str:
    """Return how the levels were occupied."""

    def words(value: tuple[str, float]) -> str:
        kind, sigma = value
        if kind.startswith("Methfessel"):
            order = kind.split()[-1]
            return (
                f"Methfessel-Paxton smearing of order {order}{cite('methfessel1989')}, "
                f"σ = {sigma:g} eV"
            )
        if kind.startswith("tetrahedron"):
            return f"the {kind} method{cite('bloechl1994tetrahedra')}"
        if kind == "fixed occupations":
            return kind
        if kind == "Fermi":
            return f"a Fermi distribution of kT = {sigma:g} eV ({sigma / 8.617333e-5:.0f} K)"
        return f"{kind} smearing of σ = {sigma:g} eV"

    def used(row: StudyRow) -> tuple[str, float]:
        kind = row.settings.smearing
        return kind, 0.0 if kind.startswith(_WITHOUT_WIDTH) else row.settings.sigma

    said = agreed(rows, used, words)
    return (
        f"Levels were occupied by {said}; all energies given are extrapolated to zero smearing "
        "(E₀)."
    )


def _spin(rows: Rows) -> list[str]:
    """Return which calculations were spin-polarized."""
    polarized = [row for row in rows if int(row.incar.get("ISPIN", 1)) > 1]
    if not polarized:
        return ["No calculation was spin-polarized."]
    if len(polarized) == len(rows):
        return ["All calculations were spin-polarized."]
    named = where(polarized, rows)
    many = f"{len(polarized)} calculations, "
    return [
        f"Spin polarization was allowed in {len(polarized)} of {len(rows)} calculations: "
        f"{named.removeprefix(many)}."
    ]


def _charges(rows: Rows) -> list[str]:
    """Return which net charges the cells had."""
    charged = [row for row in rows if round(row.columns["charge"] or 0.0, 3)]
    if not charged:
        return ["All cells were neutral."]
    groups: dict[float, list[StudyRow]] = {}
    for row in charged:
        groups.setdefault(round(float(row.columns["charge"]), 3), []).append(row)
    said = [f"{value:+g} e in {where(found, rows)}" for value, found in sorted(groups.items())]
    return [f"Cells were neutral but for {'; '.join(said)}."]


def _meshes(rows: Rows) -> list[str]:
    """Return the k-points of what repeats itself; bands have their spacing only."""
    spacings = between([row.settings.kpoint_spacing for row in rows])
    known = [row for row in rows if "divisions" in row.kpoints]
    kinds = {_mesh(row) for row in known}
    if kinds == {"Γ"}:
        return [
            "The Brillouin zone of periodic cells was sampled at Γ only (largest distance of "
            f"k-points {spacings} Å⁻¹)."
        ]
    if known and len(kinds) <= _SEVERAL_MESHES:
        text = agreed(known, _mesh, str)
    elif known:
        dense = max(known, key=lambda row: row.kpoints["n_kpoints"])
        text = f"{len(kinds)} meshes of up to {_mesh(dense)} k-points ({dense.name})"
    else:
        text = "lists of k-points"
    style = "" if all(row.kpoints["style"] == "Gamma" for row in known) else cite("monkhorst1976")
    return [
        f"The Brillouin zone of periodic cells was sampled by {text}{style} (largest distance of "
        f"k-points {spacings} Å⁻¹, 2π included)."
    ]


def _mesh(row: StudyRow) -> str:
    """Return a mesh in words."""
    divisions = row.kpoints["divisions"]
    if set(divisions) == {1} and not any(row.kpoints.get("shift", (0, 0, 0))):
        return "Γ"
    name = {"Gamma": "Γ-centred", "Monkhorst": "Monkhorst-Pack"}.get(row.kpoints["style"], "")
    return f"{name} {' × '.join(map(str, divisions))}".strip()


def _isolated(rows: Rows) -> str:
    """Return how molecules were freed of their images."""
    number = counted(len(rows), "calculation")
    if rows[0].settings.engine != "vasp":
        return f"In {number} of molecules, atoms and clusters there were no periodic images at all."
    return (
        f"{number[0].upper()}{number[1:]} of molecules, atoms and clusters in a box were done at "
        f"Γ with monopole and dipole corrections{cite('makov1995')}."
    )
