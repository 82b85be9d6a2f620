"""vasprun.xml in pieces, so that it grows with the run and is closed only when it ends."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from xml.sax.saxutils import escape

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from .outcar import KBAR
from .poscars import Poscar
from .potentials import Evaluation, FloatArray, KPoints
from .tags import Settings, normal

END = "</modeling>\n"


def format_header(
    *,
    program: str,
    version: str,
    method: str,
    theory: str,
    started: datetime,
    poscar: Poscar,
    settings: Settings,
    tags: Mapping[str, str],
    evaluation: Evaluation,
    potcar_symbols: tuple[str, ...],
) -> str:
    """Return everything before the first ionic step."""
    generator = {
        "program": program,
        "version": version,
        "subversion": f"{method} (not VASP)",
        "platform": "Linux",
        "date": f"{started:%Y %m %d}",
        "time": f"{started:%H:%M:%S}",
    }
    return "".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>\n<modeling>\n',
            _block("generator", [_string(k, v) for k, v in generator.items()]),
            _block("incar", [_incar_item(tag, value) for tag, value in tags.items()]),
            format_kpoints(evaluation.kpoints),
            _parameters(settings, evaluation, theory),
            _atominfo(poscar, evaluation, theory, potcar_symbols),
            _structure(poscar, poscar.positions, 'name="initialpos"'),
        ]
    )


def format_kpoints(kpoints: KPoints) -> str:
    """Return the points with their weights, and the mesh they come from, if any."""
    generation = ""
    if kpoints.mesh is not None:
        divisions = "".join(f"{n:9d}" for n in kpoints.mesh)[1:]
        shift = "".join(f"{x:17.8f}" for x in kpoints.shift)[1:]
        generation = (
            f'  <generation param="{kpoints.style}">\n'
            f'   <v type="int" name="divisions">{divisions} </v>\n'
            f'   <v name="usershift">{shift} </v>\n  </generation>\n'
        )
    return (
        f" <kpoints>\n{generation}{_varray('kpointlist', kpoints.points)}"
        f"{_varray('weights', kpoints.weights[:, None])} </kpoints>\n"
    )


def _block(name: str, items: Iterable[str], attributes: str = "") -> str:
    """Return an element with one item per line."""
    opening = f"{name} {attributes}".strip()
    return f" <{opening}>\n" + "".join(f"  {item}\n" for item in items) + f" </{name}>\n"


def _string(name: str, value: str) -> str:
    return f'<i name="{name}" type="string">{escape(value)}</i>'


def _real(name: str, value: float) -> str:
    return f'<i name="{name}">{value:16.8f}</i>'


def _whole(name: str, value: int) -> str:
    return f'<i type="int" name="{name}">{value:6d}</i>'


def _truth(name: str, value: bool) -> str:
    return f'<i type="logical" name="{name}"> {"T" if value else "F"}  </i>'


_LISTS = {"MAGMOM", "LDAUL", "LDAUU", "LDAUJ", "DIPOL", "SAXIS"}  # vectors, of one number too


def _incar_item(tag: str, value: str) -> str:
    """Return a tag with the type its value looks like."""
    if normal(value) in {"T", "F"} and tag not in {"ALGO", "PREC", "SYSTEM"}:
        return _truth(tag, normal(value) == "T")
    if tag == "SYSTEM" or not value:
        return _string(tag, value)
    words = value.split()
    if "*" not in value:
        try:
            return _numbers(tag, words)
        except ValueError:
            pass
    return _string(tag, value)


def _numbers(tag: str, words: list[str]) -> str:
    """Return one number or a vector; ValueError when a word is not a number."""
    if len(words) == 1 and tag not in _LISTS:
        try:
            return _whole(tag, int(words[0]))
        except ValueError:
            return f'<i name="{tag}">{float(words[0]):16.8g}</i>'
    return f'<v name="{tag}">' + "".join(f"{float(w):16.8f}" for w in words) + "</v>"


def _parameters(settings: Settings, evaluation: Evaluation, theory: str) -> str:
    """Return the parameters in use, as far as parsers ask for them."""
    spin = len(evaluation.occupations)
    magmom = settings.magmom or tuple([1.0] * len(evaluation.charges))
    return _block(
        "parameters",
        [
            _string("SYSTEM", settings.system),
            _string("PREC", "none"),
            _real("EDIFF", settings.ediff),
            _whole("NBANDS", evaluation.eigenvalues.shape[2]),
            _real("NELECT", evaluation.n_electrons),
            _whole("ISMEAR", settings.ismear),
            _real("SIGMA", settings.sigma),
            _whole("ISPIN", spin),
            _truth("LNONCOLLINEAR", False),
            _truth("LSORBIT", False),
            '<v name="MAGMOM">' + "".join(f"{m:16.8f}" for m in magmom) + "</v>",
            _real("NUPDOWN", -1.0 if settings.nupdown is None else settings.nupdown),
            _whole("NELM", settings.nelm),
            _whole("NSW", max(0, settings.nsw)),
            _whole("IBRION", settings.ibrion),
            _whole("ISIF", settings.isif),
            _real("EDIFFG", settings.ediffg),
            _real("POTIM", settings.potim),
            _whole("LORBIT", settings.lorbit),
            _whole("NEDOS", settings.nedos),
            _truth("LHFCALC", False),
            _truth("LDAU", False),
            _truth("LUSE_VDW", False),
            _string("METAGGA", ""),
            _string("GGA", theory),  # pymatgen builds run_type from it
            _real("AEXX", 0.0),
            _real("HFSCREEN", 0.0),
            _real("ENMAX", 0.0),
        ],
    )


def _atominfo(
    poscar: Poscar, evaluation: Evaluation, theory: str, potcar_symbols: tuple[str, ...]
) -> str:
    """Return the atoms; the valence is that of the method, so that NELECT and charge fit."""
    atoms, types, first = [], [], 0
    for i, ((symbol, n), potcar) in enumerate(zip(poscar.species, potcar_symbols, strict=True), 1):
        atoms += [f"    <rc><c>{symbol:<2}</c><c>{i:4d}</c></rc>\n"] * n
        mass, valence = atomic_masses[atomic_numbers[symbol]], evaluation.valences[first]
        types.append(
            f"    <rc><c>{n:4d}</c><c>{symbol:<2}</c><c>{mass:16.8f}</c><c>{valence:16.8f}</c>"
            f"<c> {theory} {potcar} </c></rc>\n"
        )
        first += n
    return (
        f" <atominfo>\n  <atoms>{len(poscar.symbols):8d} </atoms>\n"
        f"  <types>{len(types):8d} </types>\n"
        '  <array name="atoms" >\n   <dimension dim="1">ion</dimension>\n'
        '   <field type="string">element</field>\n   <field type="int">atomtype</field>\n'
        f"   <set>\n{''.join(atoms)}   </set>\n  </array>\n"
        '  <array name="atomtypes" >\n   <dimension dim="1">type</dimension>\n'
        '   <field type="int">atomspertype</field>\n   <field type="string">element</field>\n'
        "   <field>mass</field>\n   <field>valence</field>\n"
        '   <field type="string">pseudopotential</field>\n'
        f"   <set>\n{''.join(types)}   </set>\n  </array>\n </atominfo>\n"
    )


def _varray(name: str, rows: FloatArray) -> str:
    """Return a named array of vectors."""
    body = "".join("   <v>" + "".join(f"{x:17.8f}" for x in row) + " </v>\n" for row in rows)
    return f'  <varray name="{name}" >\n{body}  </varray>\n'


def _structure(poscar: Poscar, positions: FloatArray, attributes: str = "") -> str:
    """Return cell and fractional positions."""
    reciprocal = np.asarray(np.linalg.inv(poscar.lattice).T, dtype=float)
    fractional = np.linalg.solve(poscar.lattice.T, positions.T).T
    sites = "".join("   <v>" + "".join(f"{x:22.16f}" for x in r) + " </v>\n" for r in fractional)
    basis = "".join(
        "   <v>" + "".join(f"{x:22.16f}" for x in r) + " </v>\n" for r in poscar.lattice
    )
    text = (
        f' <structure {attributes}>\n  <crystal>\n  <varray name="basis" >\n{basis}  </varray>\n'
        f'   <i name="volume">{poscar.volume:16.8f} </i>\n{_varray("rec_basis", reciprocal)}'
        f'  </crystal>\n  <varray name="positions" >\n{sites}  </varray>\n'
    )
    if poscar.movable is not None:
        flags = "".join(
            '   <v type="logical" >' + "".join(" T " if f else " F " for f in row) + "</v>\n"
            for row in poscar.movable
        )
        text += f'  <varray type="logical" name="selective" >\n{flags}  </varray>\n'
    return text + " </structure>\n"


def format_step(
    evaluation: Evaluation, poscar: Poscar, positions: FloatArray, seconds: float
) -> str:
    """Return an ionic step without its closing tag; the last one also holds levels and DOS."""
    cycles = "".join(
        f'  <scstep>\n   <energy>\n    <i name="e_fr_energy">{cycle.energy:16.8f} </i>\n'
        "   </energy>\n  </scstep>\n"
        for cycle in evaluation.cycles[:-1]
    )
    energies = (
        f'    <i name="e_fr_energy">{evaluation.free_energy:16.8f} </i>\n'
        f'    <i name="e_wo_entrp">{evaluation.energy_without_entropy:16.8f} </i>\n'
        f'    <i name="e_0_energy">{evaluation.energy_zero:16.8f} </i>\n'
    )
    return (
        f" <calculation>\n{cycles}  <scstep>\n   <energy>\n{energies}   </energy>\n  </scstep>\n"
        + _structure(poscar, positions)
        + _varray("forces", evaluation.forces)
        + ("" if evaluation.stress is None else _varray("stress", -evaluation.stress * KBAR))
        + f"  <energy>\n{energies}  </energy>\n"
        + f'  <time name="totalsc">{seconds:8.2f}{seconds:8.2f}</time>\n'
    )


STEP_END = " </calculation>\n"


def format_final(poscar: Poscar, positions: FloatArray) -> str:
    """Return the final structure."""
    return _structure(poscar, positions, 'name="finalpos"')
