"""Run folders written here, one thing wrong in each: what must be accepted, noted, or refused."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Poscar

from heterofire.launchers.engines.run import run_engine
from heterofire.results.convergence import unconverged_reasons
from heterofire.results.densities import load_density
from heterofire.results.neb_parsing import parse_band
from heterofire.results.outcar import parse_outcar
from heterofire.results.parsing import is_complete, parse_run
from heterofire.results.run_settings import merge_parameters, vasp_settings
from heterofire.structures.errors import RunError

CELL = Lattice.from_parameters(6, 7, 8, 90, 90, 100)
START = Structure(CELL, ["K", "K", "S"], [[0, 0, 0], [0.5, 0, 0], [0.2, 0.5, 0.5]])
N_ELECTRONS = 24.0  # 2 x 9 + 6
TAGS = {"NELM": 60, "NSW": 0, "IBRION": -1, "ISPIN": 1, "ISMEAR": 0, "EDIFFG": -0.05}


def rows(table, mark: str) -> str:
    return "".join(f"<{mark}>{' '.join(f'{x:.8f}' for x in row)}</{mark}>\n" for row in table)


def xml_structure(structure: Structure, name: str = "") -> str:
    title = f' name="{name}"' if name else ""
    flags = structure.site_properties.get("selective_dynamics")
    selective = (
        ""
        if flags is None
        else '<varray type="logical" name="selective">'
        + "".join(
            f'<v type="logical">{" ".join("T" if f else "F" for f in row)}</v>' for row in flags
        )
        + "</varray>"
    )
    return (
        f"<structure{title}><crystal><varray name='basis'>{rows(structure.lattice.matrix, 'v')}"
        f"</varray></crystal><varray name='positions'>{rows(structure.frac_coords, 'v')}</varray>"
        f"{selective}</structure>"
    )


def xml_energies(energies) -> str:
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    inner = "".join(f'<i name="{n}">{e:.8f}</i>' for n, e in zip(names, energies, strict=True))
    return f"<energy>{inner}</energy>"


def vasprun_text(structure, *, steps, forces, tags, energies, program, n_electrons) -> str:
    settings = {**TAGS, **tags}
    ints = "".join(
        f'<i type="int" name="{k}">{v}</i>' for k, v in settings.items() if k != "EDIFFG"
    )
    species = list(dict.fromkeys(site.specie.symbol for site in structure))
    valence, titel = {"K": 9, "S": 6}, {"K": "PAW_PBE K_sv 06Sep2000", "S": "PAW_PBE S 06Sep2000"}
    types = "".join(
        f"<rc><c>{sum(s.specie.symbol == e for s in structure)}</c><c>{e}</c><c>39.0</c>"
        f"<c>{valence[e]}.0</c><c>{titel[e]}</c></rc>"
        for e in species
    )
    atoms = "".join(f"<rc><c>{s.specie.symbol}</c><c>1</c></rc>" for s in structure)
    levels = rows([[-10.0 + i, 1.0 if i < n_electrons / 2 else 0.0] for i in range(16)], "r")
    dos = rows([[e, 1.0, 1.0] for e in np.linspace(-12, 6, 7)], "r")
    calculations = "".join(
        f"<calculation>{n * ('<scstep>' + xml_energies(energies) + '</scstep>')}"
        f"{xml_structure(structure)}<varray name='forces'>{rows(forces, 'v')}</varray>"
        f"{xml_energies(energies)}</calculation>"
        for n in steps
    )
    last = (
        f"<eigenvalues><array><set><set comment='spin 1'><set comment='kpoint 1'>{levels}</set>"
        f"</set></set></array></eigenvalues><dos><i name='efermi'>1.50000000</i><total><array><set>"
        f"<set comment='spin 1'>{dos}</set></set></array></total></dos></calculation>"
    )
    return (
        f"<?xml version='1.0'?>\n<modeling><generator><i name='program' type='string'>{program}</i>"
        f"<i name='version' type='string'>1.0</i></generator><incar>{ints}</incar><kpoints>"
        "<generation param='Gamma'><v type='int' name='divisions'>1 1 1</v></generation>"
        "<varray name='kpointlist'><v>0.0 0.0 0.0</v></varray>"
        "<varray name='weights'><v>1.0</v></varray></kpoints>"
        f"<parameters>{ints}<i name='EDIFFG'>{settings['EDIFFG']}</i><i name='ENMAX'>400.0</i>"
        f"<i name='NELECT'>{n_electrons:.8f}</i><i name='SIGMA'>0.05</i>"
        "<i type='string' name='GGA'>PE</i></parameters>"
        f"<atominfo><array name='atoms'><set>{atoms}</set></array><array name='atomtypes'><set>"
        f"{types}</set></array></atominfo>{xml_structure(structure, 'initialpos')}"
        f"{calculations.removesuffix('</calculation>')}{last}"
        f"{xml_structure(structure, 'finalpos')}</modeling>\n"
    )


def outcar_text(
    structure, *, steps, forces, tags, energies, program, n_electrons, ending="", charges=None
) -> str:
    settings = {**TAGS, **tags}
    species = list(dict.fromkeys(site.specie.symbol for site in structure))
    counts = " ".join(str(sum(s.specie.symbol == e for s in structure)) for e in species)
    titel = {"K": "PAW_PBE K_sv 06Sep2000", "S": "PAW_PBE S 06Sep2000"}
    zval = {"K": 9, "S": 6}
    lines = [f" {program}.1.0"]
    for element in species:
        lines += [f"   TITEL  = {titel[element]}", f"   POMASS = 39.0; ZVAL = {zval[element]}.000"]
    lines += [f"   number of ions     NIONS = {len(structure)}", f"   ions per type = {counts}"]
    lines += [f"   {name} = {value}" for name, value in settings.items()]
    lines += [
        "   SIGMA = 0.05",
        "   ENCUT = 400.0 eV",
        f"   NELECT = {n_electrons:.4f}",
        "   GGA = PE",
    ]
    f, wo, e0 = energies
    for i, n in enumerate(steps, start=1):
        lines += [f"---- Iteration {i}({j:4d}) ----" for j in range(1, n + 1)]
        lines += [" E-fermi :   1.5000     XC(G=0): 0.0"]
        if charges is not None:
            lines += ["", " total charge     ", " ", "# of ion     s       p       tot", "-----"]
            lines += [f" {k + 1}  0.0  0.0  {q:.3f}" for k, q in enumerate(charges)]
        lines += [" POSITION               TOTAL-FORCE (eV/Angst)", " -----"]
        lines += [
            " ".join(f"{x:12.5f}" for x in p) + " ".join(f"{x:14.6f}" for x in v)
            for p, v in zip(structure.cart_coords, forces, strict=True)
        ]
        lines += [" -----", f"  free  energy   TOTEN  = {f:.8f} eV", ""]
        lines += [f"  energy  without entropy= {wo:.8f}  energy(sigma->0) = {e0:.8f}"]
    lines += [ending, " Total CPU time used (sec): 1.0", " Elapsed time (sec):      12.5", ""]
    return "\n".join(lines)


def write_run(folder: Path, structure=START, *, ending="", charges=None, **changes) -> Path:
    """Write vasprun.xml, OUTCAR and POSCAR of a run that agrees with itself."""
    values = {
        "steps": (5,),
        "forces": np.zeros((len(structure), 3)),
        "tags": {},
        "energies": (-10.2, -10.0, -10.1),
        "program": "vasp",
        "n_electrons": N_ELECTRONS,
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vasprun.xml").write_text(vasprun_text(structure, **values))
    outcar = outcar_text(structure, ending=ending, charges=charges, **values)
    (folder / "OUTCAR").write_text(outcar)
    Poscar(structure).write_file(folder / "POSCAR")
    return folder


def swapped(structure: Structure, one: int, other: int) -> Structure:
    order = list(range(len(structure)))
    order[one], order[other] = other, one
    return Structure.from_sites([structure[i] for i in order])


# ---- a good run ----------------------------------------------------------------------------


def test_a_good_run_is_read_with_every_energy_under_its_name(tmp_path):
    run = parse_run(write_run(tmp_path))
    assert (run.free_energy, run.e_wo_entropy, run.e0) == pytest.approx((-10.2, -10.0, -10.1))
    assert (run.status, run.reasons, run.notes) == ("converged", (), ())
    assert run.settings.method == "PBE, 400 eV"
    assert run.settings.potcars == ("PAW_PBE K_sv 06Sep2000", "PAW_PBE S 06Sep2000")
    assert (run.charge, run.elapsed_s, run.efermi) == (0.0, 12.5, 1.5)
    assert run.settings.kpoint_spacing == pytest.approx(2 * np.pi / (6 * np.sin(np.radians(100))))
    assert is_complete(tmp_path)


def test_charge_is_valence_minus_electrons(tmp_path):
    assert parse_run(write_run(tmp_path, n_electrons=22.0)).charge == pytest.approx(2.0)


def test_run_without_outcar_is_read_and_noted(tmp_path):
    (write_run(tmp_path) / "OUTCAR").unlink()
    assert "no OUTCAR" in parse_run(tmp_path).notes[0]


def test_plain_and_gzip_files_give_the_same(tmp_path):
    plain = parse_run(write_run(tmp_path))
    for name in ("vasprun.xml", "OUTCAR"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        (tmp_path / name).unlink()
    packed = parse_run(tmp_path)
    assert is_complete(tmp_path)
    assert (packed.e0, packed.efermi) == (plain.e0, plain.efermi)
    assert np.array_equal(packed.bands.eigenvalues, plain.bands.eigenvalues)


def test_partly_frozen_atom_counts_with_its_free_axis_only(tmp_path):
    flags = [[True, False, False], [False] * 3, [False] * 3]
    structure = START.copy(site_properties={"selective_dynamics": flags})
    forces = np.array([[3.0, 0.0, 9.0], [5.0, 0, 0], [0, 7.0, 0]])
    run = parse_run(write_run(tmp_path, structure, forces=forces))
    assert run.max_force == pytest.approx(3.0)


# ---- unconverged is a result ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"steps": (60,)}, "electronic: the last ionic step used all of NELM = 60 steps"),
        ({"steps": (9, 5), "tags": {"NSW": 2, "IBRION": 2}}, "ionic: all of NSW = 2 steps used"),
        (
            {"steps": (9, 5), "tags": {"NSW": 50, "IBRION": 2}},
            "ionic: ended after 2 of NSW = 50 steps, not yet relaxed",
        ),
        ({"ending": " soft stop encountered!  aborting job ..."}, "stopped: STOPCAR ended the run"),
        ({"ending": " hard stop encountered!  aborting job ..."}, "stopped: STOPCAR ended the run"),
    ],
    ids=["NELM", "NSW", "ended early", "soft stop", "hard stop"],
)
def test_unconverged_run_is_a_result_with_its_reason(tmp_path, changes, reason):
    run = parse_run(write_run(tmp_path, **changes))
    assert run.status == "unconverged"
    assert run.reasons == (reason,)
    assert run.e0 == pytest.approx(-10.1)


def test_relaxation_that_reached_its_accuracy_in_the_last_step_is_converged(tmp_path):
    changes = {"steps": (9, 5), "tags": {"NSW": 2, "IBRION": 2}}
    run = parse_run(write_run(tmp_path, ending=" reached required accuracy - stopping", **changes))
    assert run.status == "converged"


def test_early_electronic_breach_is_a_note(tmp_path):
    changes = {
        "steps": (60, 5),
        "tags": {"NSW": 9, "IBRION": 2},
        "ending": "reached required accuracy",
    }
    run = parse_run(write_run(tmp_path, **changes))
    assert run.status == "converged"
    assert run.notes == ("1 ionic steps before the last used all of NELM = 60 steps",)


def test_without_outcar_the_forces_tell_whether_ions_are_relaxed():
    tags = {"NELM": 60, "NSW": 50, "IBRION": 2, "EDIFFG": -0.05}
    assert unconverged_reasons(tags, electronic_steps=[9], max_force=0.04) == ()
    (reason,) = unconverged_reasons(tags, electronic_steps=[9], max_force=0.2)
    assert reason == "ionic: largest free force 0.200 above EDIFFG = -0.05 eV/A"


# ---- other atoms ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (swapped(START, 0, 1), "another order of equal atoms: 2 .K. stands where 1 was"),
        (swapped(START, 1, 2), "another order of species: atom 2 is K instead of S"),
        (Structure.from_sites(START[:2]), r"3 atoms \(K2 S1\) instead of 2 \(K2\)"),
        (START.copy().replace(2, "Se") or START, "K2 S1 instead of K2 Se1"),
    ],
    ids=["equal atoms swapped", "species swapped", "count", "formula"],
)
def test_other_atoms_than_expected_are_refused(tmp_path, other, problem):
    write_run(tmp_path)
    with pytest.raises(RunError, match=problem):
        parse_run(tmp_path, expected=other)
    Poscar(other).write_file(tmp_path / "POSCAR")
    with pytest.raises(RunError, match=rf"POSCAR: {problem}"):
        parse_run(tmp_path)


def test_run_that_started_from_moved_atoms_is_noted(tmp_path):
    moved = START.copy()
    moved.translate_sites([0], [0.3, 0, 0], frac_coords=False)
    run = parse_run(write_run(tmp_path), expected=moved)
    assert run.notes == ("started up to 0.30 Angstrom away from the expected structure",)


def test_atoms_across_the_cell_border_are_the_same_atoms(tmp_path):
    shifted = START.copy()
    shifted.translate_sites([0, 1], [1, -1, 0], to_unit_cell=False)
    assert parse_run(write_run(tmp_path), expected=shifted).notes == ()


# ---- files that contradict each other ------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"energies": (-10.2, -10.0, -10.10005)}, "energy.sigma->0"),
        ({"energies": (-10.3, -10.0, -10.1)}, "free energy TOTEN"),
        ({"energies": (-10.2, -10.1, -10.1)}, "energy without entropy"),
        ({"n_electrons": 22.0}, "NELECT"),
        ({"steps": (5, 5)}, "number of ionic steps"),
        ({"structure": swapped(START, 0, 2)}, "species differ"),
    ],
    ids=["E0", "F", "E without entropy", "NELECT", "steps", "species"],
)
def test_outcar_of_another_run_is_refused(tmp_path, changes, what):
    other = write_run(tmp_path / "other", **changes)
    write_run(tmp_path / "run")
    (tmp_path / "run" / "OUTCAR").write_bytes((other / "OUTCAR").read_bytes())
    with pytest.raises(RunError, match=what):
        parse_run(tmp_path / "run")


def test_a_run_that_does_not_say_its_cutoff_is_refused_by_name(tmp_path):
    write_run(tmp_path)
    path = tmp_path / "vasprun.xml"
    path.write_text(path.read_text().replace("<i name='ENMAX'>400.0</i>", ""))
    with pytest.raises(RunError, match=rf"{path}: ENCUT is missing"):
        parse_run(tmp_path)


def test_missing_vasprun_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(RunError, match=r"no vasprun.xml.relax1 .*run it"):
        parse_run(tmp_path, suffix=".relax1")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["energies", "forces"])
def test_non_finite_numbers_are_refused(tmp_path, what, bad):
    values = {"energies": (-10.2, -10.0, bad), "forces": np.full((3, 3), bad)}
    write_run(tmp_path, **{what: values[what]})
    (tmp_path / "OUTCAR").unlink()
    with pytest.raises(RunError, match=rf"NaN or \*\*\*\* in the {what}"):
        parse_run(tmp_path)


def test_stars_in_an_outcar_force_are_refused(tmp_path):
    path = write_run(tmp_path) / "OUTCAR"
    text = path.read_text()
    assert "0.000000\n -----" in text
    path.write_text(text.replace("0.000000\n -----", "********\n -----"))
    with pytest.raises(RunError, match="atom 3 of 3 are not six numbers"):
        parse_run(tmp_path)


def test_folder_with_an_unfinished_output_is_not_complete(tmp_path):
    for name in ("vasprun.xml", "OUTCAR"):
        write_run(tmp_path)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:-80])
        assert not is_complete(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("   NELECT = 24.0000", "", "NELECT is missing"),
        ("NIONS = 3", "", "NIONS. is missing"),
        ("TOTEN  = -10.2", "TOTAL  = -10.2", "no ionic step was finished"),
        ("energy  without entropy=", "energy", "energies of ionic step 1 are incomplete"),
        ("TOTAL-FORCE", "FORCE", "atom 1 of 3 are not six numbers: missing"),
        (" 3  0.0  0.0  6.000", "", "table 'total charge' has not 3 atoms"),
        (" 3  0.0  0.0  6.000", " 3  0.0  0.0  *****", "total charge is '.....', not a number"),
        ("E-fermi :   1.5000", "E-fermi :      NaN", "E-fermi is 'NaN'"),
    ],
)
def test_outcar_that_lacks_a_part_is_refused(tmp_path, old, new, what):
    path = write_run(tmp_path, charges=[9.0, 9.0, 6.0]) / "OUTCAR"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(RunError, match=rf"OUTCAR: .*{what}"):
        parse_outcar(path)


@pytest.mark.parametrize(
    ("pattern", "new", "what"),
    [
        (r"<calculation>.*</calculation>", "", "no ionic step was finished"),
        (r"<varray name='forces'>.*?</varray>", "", "ionic step 1 has no forces"),
        (r"<scstep>.*</scstep>", "", "ionic step 1 has no energies"),
        (r"<rc><c>2</c><c>K", "<rc><c>1</c><c>K", "atom types counts 2 atoms, the structure has 3"),
        (r"<total>.*</total>", "", "density of states is damaged"),
        (r"<parameters>.*</parameters>", "", "malformed"),
        (r"<atominfo>.*</atominfo>", "", "malformed"),
    ],
)
def test_vasprun_that_lacks_a_part_is_refused(tmp_path, pattern, new, what):
    path = write_run(tmp_path) / "vasprun.xml"
    text, count = re.subn(pattern, new, path.read_text(), flags=re.DOTALL)
    assert count == 1
    path.write_text(text)
    with pytest.raises(RunError, match=rf"vasprun.xml: .*{what}"):
        parse_run(tmp_path)


def test_fermi_level_comes_from_outcar_where_no_dos_was_written(tmp_path):
    path = write_run(tmp_path) / "vasprun.xml"
    path.write_text(re.sub(r"<dos>.*</dos>", "", path.read_text(), flags=re.DOTALL))
    assert parse_run(tmp_path).efermi == 1.5
    (tmp_path / "OUTCAR").unlink()
    with pytest.raises(RunError, match="no Fermi level"):
        parse_run(tmp_path)


@pytest.mark.parametrize(
    ("line", "n_cores"),
    [
        (" running on    4 total cores", 4),
        (" running on   12 nodes", 12),
        (" running on   32 mpi-ranks, with    2 threads/rank, on    1 nodes", 64),
        ("", None),
    ],
    ids=["VASP 5", "VASP 4", "VASP 6", "not said"],
)
def test_the_cores_are_those_that_vasp_says(tmp_path, line, n_cores):
    path = write_run(tmp_path) / "OUTCAR"
    version, rest = path.read_text().split("\n", 1)
    path.write_text("\n".join([version, line, rest]))
    assert parse_run(tmp_path).n_cores == n_cores


def test_poscar_without_elements_is_refused(tmp_path):
    path = write_run(tmp_path) / "POSCAR"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:5], *lines[6:]]).replace(" K", "").replace(" S", ""))
    with pytest.raises(RunError, match="POSCAR: names no elements"):
        parse_run(tmp_path)
    path.write_text("nothing of the kind\n")
    with pytest.raises(RunError, match="POSCAR: not a POSCAR"):
        parse_run(tmp_path)


@pytest.mark.parametrize("bad", ["NaN", "****"])
def test_density_with_nan_or_stars_is_refused(tmp_path, bad):
    Poscar(START).write_file(tmp_path / "CHGCAR")
    grid = f"\n 2 2 2\n 1.0 1.0 1.0 1.0 1.0\n 1.0 1.0 {bad}\n"
    with (tmp_path / "CHGCAR").open("a") as stream:
        stream.write(grid.replace(bad, "1.0"))
    assert load_density(tmp_path / "CHGCAR").n_electrons == pytest.approx(1.0)
    text = (tmp_path / "CHGCAR").read_text()
    (tmp_path / "CHGCAR").write_text(text.rstrip().removesuffix("1.0") + bad + "\n")
    with pytest.raises(RunError, match="CHGCAR: "):
        load_density(tmp_path / "CHGCAR")


# ---- what stands beside the outputs --------------------------------------------------------

REPORT = {
    "engine": "xtb",
    "engine_version": "tblite 0.8.0",
    "method": "GFN1-xTB",
    "temperature_K": 1000.0,
    "noted": {"IVDW": "dispersion is built in"},
    "status": "static",
    "wall_s": 3.5,
}


def write_engine_run(folder: Path, report=REPORT, **changes) -> Path:
    write_run(folder, program="heterofire-xtb", charges=[8.9, 8.9, 6.2], **changes)
    (folder / "engine.json").write_text(json.dumps(report))
    return folder


def test_engine_and_method_come_from_its_report(tmp_path):
    run = parse_run(write_engine_run(tmp_path))
    assert (run.settings.engine, run.settings.method) == ("xtb", "GFN1-xTB, 1000 K")
    assert (run.settings.cutoff, run.settings.dispersion) == (None, "built in")
    assert run.settings.sigma == pytest.approx(0.0862, abs=1e-4)
    assert (run.engine_version, run.elapsed_s) == ("tblite 0.8.0", 3.5)
    assert run.notes == ("IVDW: dispersion is built in",)
    assert run.dos.projection == run.site_charges.scheme == "Mulliken"
    assert run.site_charges.net == pytest.approx([0.1, 0.1, -0.2])


def test_output_of_an_engine_without_its_report_is_refused(tmp_path):
    (write_engine_run(tmp_path) / "engine.json").unlink()
    with pytest.raises(RunError, match=r"engine.json: missing"):
        parse_run(tmp_path)


def test_report_of_an_engine_beside_vasp_outputs_is_refused(tmp_path):
    write_run(tmp_path)
    (tmp_path / "engine.json").write_text(json.dumps(REPORT))
    with pytest.raises(RunError, match="written by VASP"):
        parse_run(tmp_path)


@pytest.mark.parametrize("key", ["engine", "engine_version", "method", "temperature_K"])
def test_report_that_lacks_a_key_is_refused(tmp_path, key):
    report = {name: value for name, value in REPORT.items() if name != key}
    with pytest.raises(RunError, match=rf"lacks {key}"):
        parse_run(write_engine_run(tmp_path, report))


@pytest.mark.parametrize("status", ["running", "refused", "failed", "ended by SIGTERM"])
def test_outputs_of_an_engine_that_did_not_end_are_neither_complete_nor_read(tmp_path, status):
    write_engine_run(tmp_path, {**REPORT, "status": status, "error": "LDAU is on."})
    assert not is_complete(tmp_path)
    with pytest.raises(RunError, match=r"did not come to its end .* LDAU is on"):
        parse_run(tmp_path)


def test_unreadable_report_is_refused(tmp_path):
    (write_engine_run(tmp_path) / "engine.json").write_text("{")
    assert not is_complete(tmp_path)
    with pytest.raises(RunError, match=r"engine.json: not readable"):
        parse_run(tmp_path)


def test_an_engine_folder_is_read_like_vasps(tmp_path):
    water = Structure(
        Lattice.cubic(9.0),
        "OHH",
        [[4.5, 4.5, 4.5], [5.3, 4.5, 5.1], [3.7, 4.5, 5.1]],
        coords_are_cartesian=True,
    )
    Poscar(water).write_file(tmp_path / "POSCAR")
    (tmp_path / "INCAR").write_text(
        "NSW = 0\nIBRION = -1\nISMEAR = -1\nSIGMA = 0.0862\nLORBIT = 10\n"
    )
    (tmp_path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n")
    (tmp_path / "POTCAR.spec").write_text("O\nH\n")
    assert run_engine("xtb", tmp_path) == 0
    assert is_complete(tmp_path)
    run = parse_run(tmp_path)
    assert (run.settings.engine, run.settings.method) == ("xtb", "GFN1-xTB, 1000 K")
    assert run.n_electrons == 8
    assert run.site_charges.electrons.sum() == pytest.approx(8, abs=1e-3)
    assert run.site_charges.net[0] < 0 < run.site_charges.net[1]
    assert run.dos.projected.shape[0] == 3
    assert run.e0 == pytest.approx((run.free_energy + run.e_wo_entropy) / 2, abs=1e-6)


def test_mulliken_populations_must_sum_to_the_electrons(tmp_path):
    path = write_engine_run(tmp_path) / "OUTCAR"
    path.write_text(path.read_text().replace("6.200", "5.200"))
    with pytest.raises(RunError, match=r"sum to 23.000 electrons, NELECT is 24"):
        parse_run(tmp_path)


def test_what_custodian_changed_is_listed_in_order(tmp_path):
    change = {"dict": "INCAR", "action": {"_set": {"ALGO": "All"}}}
    step = {"handler": {"@class": "NonConvergingErrorHandler"}, "errors": ["Non-converging job"]}
    log = [
        {"corrections": [{**step, "actions": [change]}]},
        {"corrections": [{**step, "actions": None}]},
    ]
    (write_run(tmp_path) / "custodian.json").write_text(json.dumps(log))
    assert parse_run(tmp_path).corrections == (
        "NonConvergingErrorHandler: Non-converging job -> INCAR ALGO=All",
        "NonConvergingErrorHandler: Non-converging job -> nothing",
    )


def test_the_record_of_all_parts_counts_more_than_custodians_log_of_the_last_start(tmp_path):
    (write_run(tmp_path) / "custodian.json").write_text('[{"corrections": []}]')
    change = {"dict": "POSCAR", "action": {"_set": {"structure": {"sites": [1, 2]}}}}
    entry = {"handler": "VaspErrorHandler", "errors": ["image 02: zpotrf"], "actions": [change]}
    (tmp_path / "corrections.json").write_text(json.dumps([entry]))
    assert parse_run(tmp_path).corrections == (
        "VaspErrorHandler: image 02: zpotrf -> POSCAR changed",
    )


def test_unreadable_custodian_log_is_noted(tmp_path):
    (write_run(tmp_path) / "custodian.json").write_text("[{")
    assert "custodian.json cannot be read" in parse_run(tmp_path).notes[0]


# ---- settings ------------------------------------------------------------------------------

PBE = ["PAW_PBE Mo_pv 08Apr2002", "PAW_PBE S 06Sep2000"]


@pytest.mark.parametrize(
    ("tags", "method"),
    [
        ({}, "PBE, 400 eV"),
        ({"GGA": "PS"}, "PBEsol, 400 eV"),
        ({"IVDW": 11}, "PBE-D3(zero), 400 eV"),
        ({"IVDW": 12}, "PBE-D3(BJ), 400 eV"),
        ({"LUSE_VDW": True, "METAGGA": "SCAN"}, "SCAN-nonlocal vdW, 400 eV"),
        ({"METAGGA": "R2SCAN"}, "R2SCAN, 400 eV"),
        ({"LHFCALC": True, "HFSCREEN": 0.2, "AEXX": 0.25}, "HSE06, 400 eV"),
        ({"LHFCALC": True, "HFSCREEN": 0.0, "AEXX": 0.25}, "PBE0, 400 eV"),
        ({"LDAU": True, "LDAUU": [4.38, 0], "LDAUJ": [0, 0]}, "PBE+U, 400 eV"),
    ],
)
def test_method_names_everything_that_sets_the_energy(tags, method):
    settings = vasp_settings({"ENMAX": 400.0, **tags}, titels=PBE, kpoint_spacing=0.3)
    assert settings.method == method
    assert settings.hubbard_u == ((("Mo", 4.38),) if "LDAU" in tags else ())


@pytest.mark.parametrize(
    ("ismear", "name"),
    [(-5, "tetrahedron"), (-1, "Fermi"), (0, "Gaussian"), (2, "Methfessel-Paxton 2")],
)
def test_smearing_has_a_name(ismear, name):
    tags = {"ENMAX": 400.0, "ISMEAR": ismear}
    assert vasp_settings(tags, titels=PBE, kpoint_spacing=0.3).smearing == name


def test_hubbard_values_that_do_not_fit_the_species_are_refused():
    tags = {"ENMAX": 400.0, "LDAU": True, "LDAUU": [4.0]}
    with pytest.raises(RunError, match="1 LDAUU and 1 LDAUJ values for 2 species"):
        vasp_settings(tags, titels=PBE, kpoint_spacing=0.3)


def test_hubbard_values_come_from_incar_as_vasp_cuts_them():
    merged = merge_parameters({"LDAUU": [4.38, 0]}, {"LDAUU": [4.38], "SIGMA": 0.05})
    assert merged == {"LDAUU": [4.38, 0], "SIGMA": 0.05}


# ---- bands ---------------------------------------------------------------------------------

BARRIER = (0.0, 0.4, 0.1)


def hop(share: float) -> Structure:
    structure = START.copy()
    structure.translate_sites([0], [0, 3.0 * share, 0], frac_coords=False)
    return structure


def write_band(folder: Path, *, ends: bool = True, images=None, energies=BARRIER) -> Path:
    images = images or [hop(i / 2) for i in range(3)]
    folder.mkdir(exist_ok=True)
    (folder / "INCAR").write_text(f"IMAGES = {len(images) - 2}\nENCUT = 400\nISMEAR = 0\n")
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n")
    for i, (structure, rise) in enumerate(zip(images, energies, strict=True)):
        image = folder / f"{i:02d}"
        write_run(image, structure, energies=(-10.2 + rise, -10.0 + rise, -10.1 + rise))
        (image / "vasprun.xml").unlink()
        if not ends and i in {0, len(images) - 1}:
            (image / "OUTCAR").unlink()
    return folder


def end_runs(tmp_path: Path, **changes):
    for name, share, rise in (("initial", 0.0, BARRIER[0]), ("final", 1.0, BARRIER[2])):
        energies = (-10.2 + rise, -10.0 + rise, -10.1 + rise)
        values = {"energies": energies, "structure": hop(share), **changes}
        write_run(tmp_path / name, **values)
    return {name: parse_run(tmp_path / name) for name in ("initial", "final")}


def test_band_takes_its_end_points_from_outcar(tmp_path):
    band = parse_band(write_band(tmp_path / "band"), initial=None, final=None)
    assert [i.e0 + 10.1 for i in band.images] == pytest.approx(BARRIER, abs=1e-6)
    assert band.path == pytest.approx([0, 1.5, 3.0], abs=1e-4)
    assert (band.status, band.is_climbing, band.elapsed_s) == ("converged", False, 12.5)
    assert is_complete(tmp_path / "band")
    assert is_complete(tmp_path / "band" / "01")


def test_band_takes_its_end_points_from_runs(tmp_path):
    folder = write_band(tmp_path / "band", ends=False)
    band = parse_band(folder, **end_runs(tmp_path))
    assert [i.e0 + 10.1 for i in band.images] == pytest.approx(BARRIER, abs=1e-6)
    assert band.images[0].max_force == 0.0


def test_band_takes_its_end_points_from_oszicar(tmp_path):
    folder = write_band(tmp_path / "band", ends=False)
    for image, rise in (("00", 0.0), ("02", 0.1)):
        line = f"   1 F= {-10.2 + rise:.8E} E0= {-10.1 + rise:.8E}  d E =0.0\n"
        (folder / image / "OSZICAR").write_text(f"DAV:   1   0.1E+00\n{line}")
    band = parse_band(folder, initial=None, final=None)
    assert band.images[2].e_wo_entropy == pytest.approx(-9.9, abs=1e-6)
    assert band.images[0].max_force is None
    (folder / "00" / "OSZICAR").write_text("DAV:   1   0.1E+00\n")
    with pytest.raises(RunError, match="does not end with the energies of an ionic step"):
        parse_band(folder, initial=None, final=None)


def test_band_without_end_energies_is_refused(tmp_path):
    folder = write_band(tmp_path / "band", ends=False)
    with pytest.raises(RunError, match=r"00: no energy of this end point"):
        parse_band(folder, initial=None, final=None)


def test_images_in_another_order_are_refused_before_anything_else(tmp_path):
    images = [hop(0), hop(0.5), swapped(hop(1), 0, 1)]
    folder = write_band(tmp_path / "band", images=images)
    (folder / "01" / "OUTCAR").unlink()
    with pytest.raises(RunError, match="images 01 and 02: the atoms differ: another order"):
        parse_band(folder, initial=None, final=None)


def test_end_run_in_another_order_is_refused(tmp_path):
    folder = write_band(tmp_path / "band", ends=False)
    runs = end_runs(tmp_path)
    write_run(tmp_path / "swapped", swapped(hop(1), 0, 1), energies=(-10.1, -9.9, -10.0))
    with pytest.raises(RunError, match=r"02/POSCAR: .* another order of equal atoms"):
        parse_band(folder, initial=runs["initial"], final=parse_run(tmp_path / "swapped"))


def test_end_run_at_another_place_is_refused(tmp_path):
    folder = write_band(tmp_path / "band", ends=False)
    with pytest.raises(RunError, match=r"00/POSCAR: atom 1 lies 0.60 Angstrom from"):
        parse_band(folder, **end_runs(tmp_path, structure=hop(0.2)))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tags": {"ISMEAR": 1}}, "smearing is 'Gaussian' in the band"),
        ({"program": "xtb"}, "engine"),
    ],
    ids=["smearing", "engine"],
)
def test_end_run_with_other_settings_is_refused(tmp_path, changes, what):
    folder = write_band(tmp_path / "band", ends=False)
    if "program" in changes:
        for name in ("initial", "final"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "engine.json").write_text(json.dumps(REPORT))
    with pytest.raises(RunError, match=what):
        parse_band(folder, **end_runs(tmp_path, **changes))


def test_end_run_on_another_mesh_is_refused(tmp_path):
    folder = write_band(tmp_path / "band", ends=False)
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n2 2 2\n")
    with pytest.raises(RunError, match=r"kpoint_spacing is 0.5317 in the band, but 1.063 in"):
        parse_band(folder, **end_runs(tmp_path))


@pytest.mark.parametrize("image", ["00", "01"])
@pytest.mark.parametrize("other", [START[:2], [START[2], START[0], START[1]]])
def test_outcar_of_other_atoms_in_an_image_is_refused(tmp_path, image, other):
    folder = write_band(tmp_path / "band")
    other_run = write_run(tmp_path / "other", Structure.from_sites(other), n_electrons=18.0)
    (folder / image / "OUTCAR").write_bytes((other_run / "OUTCAR").read_bytes())
    with pytest.raises(RunError, match=rf"{image}/(OUTCAR|POSCAR).*(belongs to another|differ)"):
        parse_band(folder, initial=None, final=None)


@pytest.mark.parametrize("image", ["00", "01"])
def test_atoms_are_counted_where_an_outcar_names_no_species(tmp_path, image):
    folder = write_band(tmp_path / "band")
    other = write_run(tmp_path / "other", Structure.from_sites(START[:2]), n_electrons=18.0)
    text = re.sub(r"   TITEL.*\n", "", (other / "OUTCAR").read_text())
    (folder / image / "OUTCAR").write_text(text)
    with pytest.raises(RunError, match=rf"{image}/OUTCAR: 2 atoms, POSCAR beside it has 3"):
        parse_band(folder, initial=None, final=None)


def test_empty_outcar_is_called_empty(tmp_path):
    (tmp_path / "OUTCAR").write_text(" \n")
    with pytest.raises(RunError, match="OUTCAR: the file is empty"):
        parse_outcar(tmp_path / "OUTCAR")


@pytest.mark.parametrize("name", ["POSCAR", "OUTCAR"])
def test_image_that_lacks_a_file_is_refused(tmp_path, name):
    folder = write_band(tmp_path / "band")
    (folder / "01" / name).unlink()
    with pytest.raises(RunError, match=rf"01: no {name}"):
        parse_band(folder, initial=None, final=None)


def test_folder_without_images_is_no_band(tmp_path):
    with pytest.raises(RunError, match="no band"):
        parse_band(write_run(tmp_path), initial=None, final=None)


def test_two_energies_of_one_end_point_must_agree(tmp_path):
    folder = write_band(tmp_path / "band", energies=(0.08, 0.4, 0.1))
    with pytest.raises(RunError, match=r"00/OUTCAR: E0 is -10.020000 eV, but -10.100000 eV"):
        parse_band(folder, **end_runs(tmp_path))


def test_an_end_point_has_the_energy_that_it_has_in_the_band(tmp_path):
    """With GPAW the end of a relaxation and the same geometry from scratch differ by 0.02 eV."""
    folder = write_band(tmp_path / "band", energies=(0.02, 0.4, 0.1))
    band = parse_band(folder, **end_runs(tmp_path))
    assert band.images[0].e0 == pytest.approx(-10.08)


def test_atom_that_jumps_between_images_is_refused(tmp_path):
    cell = Lattice.cubic(20)
    images = [Structure(cell, ["K", "S"], [[x, 0, 0], [0, 0.5, 0.5]]) for x in (0, 0.1, 0.48)]
    folder = tmp_path / "band"
    for i, structure in enumerate(images):
        (folder / f"{i:02d}").mkdir(parents=True)
        Poscar(structure).write_file(folder / f"{i:02d}" / "POSCAR")
    with pytest.raises(RunError, match=r"atom 1 moves 7.60 Angstrom"):
        parse_band(folder, initial=None, final=None)


def test_missing_image_folder_is_refused(tmp_path):
    folder = write_band(tmp_path / "band")
    (folder / "INCAR").write_text("IMAGES = 2\n")
    with pytest.raises(RunError, match="INCAR asks for IMAGES = 2"):
        parse_band(folder, initial=None, final=None)


def test_unconverged_image_makes_the_band_unconverged(tmp_path):
    folder = write_band(tmp_path / "band")
    energies = (-9.8, -9.6, -9.7)
    write_run(folder / "01", hop(0.5), energies=energies, steps=(60,))
    band = parse_band(folder, initial=None, final=None)
    assert band.status == "unconverged"
    assert band.reasons == (
        "image 01: electronic: the last ionic step used all of NELM = 60 steps",
    )


def test_cut_image_is_refused_and_the_band_is_not_complete(tmp_path):
    folder = write_band(tmp_path / "band")
    path = folder / "01" / "OUTCAR"
    path.write_text(path.read_text().partition(" Total CPU")[0])
    assert not is_complete(folder)
    with pytest.raises(RunError, match=r"01/OUTCAR: cut"):
        parse_band(folder, initial=None, final=None)


def test_contcar_one_step_ahead_of_the_energy_is_not_used(tmp_path):
    folder = write_band(tmp_path / "band")
    Poscar(hop(0.6)).write_file(folder / "01" / "CONTCAR")
    band = parse_band(folder, initial=None, final=None)
    assert band.path[1] == pytest.approx(1.5, abs=1e-4)


def test_climbing_that_vasp_ignored_is_noted(tmp_path):
    folder = write_band(tmp_path / "band")
    (folder / "INCAR").write_text("IMAGES = 1\nLCLIMB = True\n")
    band = parse_band(folder, initial=None, final=None)
    assert not band.is_climbing
    assert "no VTST" in band.notes[0]
