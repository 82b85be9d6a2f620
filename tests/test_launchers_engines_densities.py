"""Densities of the embedded engine against tblite's own numbers, element by element."""

import json

import numpy as np
import pytest
from ase.data import atomic_numbers

from heterofire.launchers.engines.cores import core_density, core_shells, resolved
from heterofire.launchers.engines.grids import coarse_grid, fine_grid
from heterofire.launchers.engines.orbitals import element_shells
from heterofire.launchers.engines.run import run_engine
from heterofire.launchers.engines.wavefunctions import (
    Wavefunction,
    electron_localization,
    valence_densities,
)
from heterofire.results.bader import bader_charges
from heterofire.results.densities import load_density
from heterofire.results.elf import load_elf

BOHR = 0.5291772105638411
BOX = 11.0 * np.eye(3)  # Angstrom

# Each element in a small molecule, nowhere near a point of the grid, Angstrom.
MOLECULES = {
    "H2O": (["O", "H", "H"], [[0.03, 0.02, 0.01], [0.78, 0.58, 0.05], [-0.71, 0.61, 0.02]]),
    "CH4": (
        ["C", "H", "H", "H", "H"],
        0.63 * np.array([[0, 0, 0.02], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]),
    ),
    "NF": (["N", "F"], [[0.02, 0.01, 0], [0.77, 0.74, 0.71]]),
    "PCl": (["P", "Cl"], [[0.02, 0.01, 0], [1.2, 1.1, 1.15]]),
    "LiF": (["Li", "F"], [[0.02, 0.01, 0], [0.92, 0.91, 0.9]]),
    "SO": (["S", "O"], [[0.02, 0.01, 0], [0.86, 0.85, 0.88]]),
    "KCl": (["K", "Cl"], [[0.02, 0.01, 0], [1.52, 1.53, 1.55]]),
    "MoS2": (["Mo", "S", "S"], [[0.01, 0.02, 0.03], [1.6, 0.1, 1.5], [-1.5, 0.1, 1.6]]),
    "MoSe": (["Mo", "Se"], [[0.01, 0.02, 0.03], [1.3, 1.35, 1.4]]),
    "FeN": (["Fe", "N"], [[0.01, 0.02, 0.03], [1.1, 1.0, 1.05]]),
    "CoN": (["Co", "N"], [[0.01, 0.02, 0.03], [1.1, 1.0, 1.05]]),
    "NiO": (["Ni", "O"], [[0.01, 0.02, 0.03], [1.0, 0.95, 1.0]]),
}
# Electrons per atom that the grid may be off: GFN2-xTB expands in 3 and 4 Gaussians only.
COUNT = {"GFN1-xTB": 1e-3, "GFN2-xTB": 1.5e-3}
# Largest deviation of an overlap. tblite expands the Slater functions in 3 to 6 Gaussians; the 2s
# of H in GFN1-xTB in 3 only, and functions as wide as K 4p reach beyond the box.
OVERLAP = {"GFN1-xTB": 0.012, "GFN2-xTB": 0.015}


def solve(symbols, positions, method, *, lattice=None):
    """Return tblite's result and the wavefunction in our terms."""
    from tblite.interface import Calculator

    numbers = np.array([atomic_numbers[s] for s in symbols])
    centres = np.asarray(positions, dtype=float) / BOHR
    periodic = None if lattice is None else np.array([True] * 3)
    cell = None if lattice is None else np.asarray(lattice) / BOHR
    calculator = Calculator(
        method, numbers, centres, 0, None, cell, periodic, color=False, logger=lambda _: None
    )
    calculator.set("save-integrals", 1)
    calculator.set("temperature", 0.0862 / 27.2114)
    result = calculator.singlepoint()
    middle = 0.0 if lattice is not None else 5.5 / BOHR
    coefficients = np.array(result.get("orbital-coefficients"))
    wavefunction = Wavefunction(
        symbols=tuple(symbols),
        shells=tuple(element_shells(s, method) for s in symbols),
        centres=centres + middle,
        lattice=(BOX if lattice is None else np.asarray(lattice)) / BOHR,
        is_periodic=lattice is not None,
        coefficients=coefficients.reshape((-1, *coefficients.shape[-2:])),
        occupations=np.atleast_2d(result.get("orbital-occupations")),
    )
    return result, wavefunction


def grid_overlap(wavefunction, shape):
    """Return the overlap matrix as a sum over the grid."""
    grid = wavefunction.grid(shape)
    overlap = np.zeros((grid.n_functions, grid.n_functions))
    for block in grid.blocks():
        overlap[np.ix_(block.columns, block.columns)] += block.values.T @ block.values
    return overlap * abs(np.linalg.det(wavefunction.lattice)) / np.prod(shape)


def n_electrons(wavefunction, shape):
    density = valence_densities(wavefunction, shape)
    return float(density.mean(axis=(1, 2, 3)).sum() * abs(np.linalg.det(wavefunction.lattice)))


@pytest.mark.parametrize("method", ["GFN1-xTB", "GFN2-xTB"])
@pytest.mark.parametrize("name", MOLECULES)
def test_overlap_electrons_and_dipole_are_those_of_tblite(name, method):
    symbols, positions = MOLECULES[name]
    result, wavefunction = solve(symbols, positions, method)
    # 0.12 Angstrom; the 2s of H in GFN1-xTB, orthogonal to a 1s nearly like it, needs 0.08.
    shape = (128, 128, 128) if "H" in symbols else (92, 92, 92)
    overlap = grid_overlap(wavefunction, shape)
    assert np.abs(overlap - np.array(result.get("overlap-matrix"))).max() < OVERLAP[method]
    wanted = wavefunction.occupations.sum()
    assert n_electrons(wavefunction, shape) == pytest.approx(
        wanted, abs=COUNT[method] * len(symbols)
    )
    dipole = grid_dipole(wavefunction, shape, method)
    np.testing.assert_allclose(dipole, result.get("dipole"), atol=0.03)


def grid_dipole(wavefunction, shape, method):
    """Return the dipole moment of cores and density about the middle of the box, e Bohr."""
    density = valence_densities(wavefunction, shape).sum(axis=0)
    axes = [np.arange(n) / n for n in shape]
    volume = abs(np.linalg.det(wavefunction.lattice))
    middle = 5.5 / BOHR
    electrons = [
        -np.tensordot(density, points - middle, axes=([0, 1, 2], [0, 1, 2])) * volume / density.size
        for points in np.meshgrid(*(a * 11.0 / BOHR for a in axes), indexing="ij")
    ]
    from heterofire.launchers.engines.orbitals import parameters

    charges = np.array([sum(parameters(method)[s]["refocc"]) for s in wavefunction.symbols])
    return charges @ (wavefunction.centres - middle) + np.array(electrons)


def test_the_count_of_electrons_gets_better_with_the_grid():
    _, wavefunction = solve(*MOLECULES["NF"], "GFN1-xTB")
    errors = [abs(n_electrons(wavefunction, (n, n, n)) - 12.0) for n in (44, 92)]
    assert errors[1] < errors[0] / 2
    assert errors[1] < 1e-3


GRAPHENE = np.array([[7.38, 0, 0], [-3.69, 6.3913, 0], [0, 0, 12.0]])
# fmt: off
PERIODIC = {
    "graphene": (["C"] * 18, GRAPHENE, np.array([
        [(i + f) / 3, (j + g) / 3, 0.5] for i in range(3) for j in range(3)
        for f, g in ((1 / 3, 2 / 3), (2 / 3, 1 / 3))])),
    "bcc K": (["K"] * 2, 5.33 * np.eye(3), np.array([[0.01, 0.02, 0.0], [0.51, 0.52, 0.5]])),
}
# fmt: on


@pytest.mark.parametrize("name", PERIODIC)
def test_periodic_images_count_as_they_do_in_tblite(name):
    symbols, lattice, fractions = PERIODIC[name]
    result, wavefunction = solve(symbols, fractions @ lattice, "GFN1-xTB", lattice=lattice)
    shape = tuple(int(np.ceil(x / 0.15)) for x in np.linalg.norm(lattice, axis=1))
    overlap, wanted = grid_overlap(wavefunction, shape), np.array(result.get("overlap-matrix"))
    # In bcc K a function overlaps its own images so much that the norm is far from 1.
    assert np.abs(overlap - wanted).max() < 0.01 * np.abs(wanted).max()
    electrons = wavefunction.occupations.sum()
    assert n_electrons(wavefunction, shape) == pytest.approx(electrons, abs=1.1e-3 * len(symbols))


def test_elf_is_between_0_and_1_and_high_in_bonds_to_hydrogen_and_lone_pairs():
    # GFN2-xTB has one function on H; the second one of GFN1-xTB makes ELF lower there.
    _, wavefunction = solve(*MOLECULES["H2O"], "GFN2-xTB")
    elf = electron_localization(wavefunction, (60, 60, 60))[0]
    assert elf.min() >= 0
    assert elf.max() <= 1
    at_hydrogen = np.round(wavefunction.centres[1] * BOHR / 11 * 60).astype(int)
    assert elf[tuple(at_hydrogen)] > 0.95
    assert elf[0, 0, 0] < 1e-3  # empty corner of the box


def test_elf_of_a_nearly_free_electron_metal_is_near_one_half_between_the_atoms():
    symbols, lattice, fractions = PERIODIC["bcc K"]
    cells = [(i, j, k) for i in range(2) for j in range(2) for k in range(2)]
    many = np.concatenate([(fractions + cell) / 2 for cell in cells])
    _, wavefunction = solve(symbols * 8, many @ (2 * lattice), "GFN1-xTB", lattice=2 * lattice)
    elf = electron_localization(wavefunction, (48, 48, 48))
    assert 0.3 < np.median(elf) < 0.7


def test_elf_gradients_are_those_of_the_functions():
    _, wavefunction = solve(*MOLECULES["MoSe"], "GFN1-xTB")
    near = wavefunction.grid((40, 40, 40))
    step = 1e-4
    moved = Wavefunction(
        **{**vars(wavefunction), "centres": wavefunction.centres - [0, step, 0]}
    ).grid((40, 40, 40))
    pairs = zip(near.blocks(with_gradients=True), moved.blocks(), strict=True)
    for block, other in pairs:
        numeric = (other.values - block.values) / step
        np.testing.assert_allclose(
            numeric, block.gradients[1], atol=1.1e-2
        )  # functions end at 1e-6


def test_slaters_rules_give_known_exponents():
    # Slater 1930: Z - s of C 1s is 5.7; K 3sp is (19 - 8 0.85 - 2 - 7 0.35) / 3.
    assert core_shells(6, 2)[0].zeta == pytest.approx(5.7)
    assert core_shells(19, 18)[-1].zeta == pytest.approx(7.75 / 3)
    assert [shell.electrons for shell in core_shells(42, 36)] == [2, 8, 8, 10, 8]
    assert core_shells(1, 0) == ()


@pytest.mark.parametrize("symbol", ["Li", "C", "S", "K", "Fe", "Se", "Mo"])
def test_the_core_holds_its_electrons_and_has_its_maximum_at_the_nucleus(symbol):
    number = atomic_numbers[symbol]
    n_core = {"Li": 2, "C": 2, "S": 10, "K": 18, "Fe": 18, "Se": 28, "Mo": 36}[symbol]
    lattice, shape = 8.0 * np.eye(3) / BOHR, (67, 67, 67)
    shells = resolved(core_shells(number, n_core), 0.12 / BOHR)
    for shift in (0.0, 0.5):  # on a point of the grid, and between eight of them
        centre = np.full((1, 3), (20 + shift) / 67) @ lattice
        core = core_density([shells], centre, lattice, shape)
        electrons = core.mean() * np.linalg.det(lattice)
        assert electrons == pytest.approx(n_core, rel=0.03)
        highest = np.array(np.unravel_index(core.argmax(), shape))
        assert np.abs(highest - (20 + shift)).max() <= 0.5


def test_default_grids_follow_encut_and_prec():
    lattice = np.diag([8.0, 9.0, 25.0])
    coarse = coarse_grid(lattice, 400.0, "Accurate", (0, 0, 0))
    # VASP's manual: PREC = Accurate spans twice the diameter of the cutoff sphere.
    radius = np.sqrt(400.0 / 3.80998212)
    assert all(n * 2 * np.pi / x >= 4 * radius for n, x in zip(coarse, (8, 9, 25), strict=True))
    assert fine_grid(coarse, "Accurate", (0, 0, 0)) == tuple(2 * n for n in coarse)
    assert fine_grid(coarse, "Single", (0, 0, 0)) == coarse


# ---- files of a run folder -----------------------------------------------------------------

INCAR = {
    "IBRION": "-1",
    "NSW": "0",
    "ISMEAR": "-1",
    "SIGMA": "0.0862",
    "LCHARG": ".TRUE.",
    "LAECHG": ".TRUE.",
    "LELF": ".TRUE.",
}


def run_water(folder, tags, *, shift=0.0, box=8.0):
    """Run the engine on one water molecule, moved as a whole by ``shift`` Angstrom."""
    symbols, positions = MOLECULES["H2O"]
    lines = ["water", "1.0", f"{box} 0 0", f"0 {box} 0", f"0 0 {box}", "O H", "1 2", "Cartesian"]
    lines += [" ".join(f"{x + 0.3 * box + shift:.10f}" for x in row) for row in positions]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "POSCAR").write_text("\n".join(lines) + "\n")
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n")
    (folder / "INCAR").write_text("".join(f"{k} = {v}\n" for k, v in {**INCAR, **tags}.items()))
    assert symbols == ["O", "H", "H"]
    return run_engine("xtb", folder)


GRID = {"NGXF": "96", "NGYF": "96", "NGZF": "96"}


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    folder = tmp_path_factory.mktemp("water")
    assert run_water(folder, GRID) == 0
    return folder


def test_density_files_are_there_with_their_atoms_and_electrons(water):
    chgcar = load_density(water / "CHGCAR", n_electrons=8.0)
    assert chgcar.grid == (96, 96, 96)
    assert chgcar.structure.formula == "H2 O1"
    assert load_density(water / "AECCAR0").n_electrons == pytest.approx(2.2, rel=0.01)
    assert load_density(water / "AECCAR2").n_electrons == pytest.approx(8.0, abs=1e-6)
    assert load_elf(water).grid == (40, 40, 40)  # VASP's coarse grid for 400 eV, PREC = Normal


def test_head_and_engine_json_say_that_the_core_is_a_model(water):
    assert "model core: Slater's rules" in (water / "AECCAR0").read_text().splitlines()[0]
    report = json.loads((water / "engine.json").read_text())["densities"]
    assert report["files"] == ["CHGCAR", "AECCAR0", "AECCAR2", "ELFCAR"]
    assert "model core" in report["core"]
    assert report["grid"] == [96, 96, 96]
    assert abs(report["miscount_before_scaling_e"]) < 3e-3


def water_charges(folder, algorithm="near-grid"):
    chgcar = load_density(folder / "CHGCAR")
    reference = load_density(folder / "AECCAR0").values + load_density(folder / "AECCAR2").values
    return bader_charges(
        reference, chgcar.values, chgcar.structure, valences=[6, 1, 1], algorithm=algorithm
    )


def test_bader_charges_of_water_are_sane_and_symmetric(water):
    charges = water_charges(water)
    assert charges.net.sum() == pytest.approx(0.0, abs=1e-4)
    assert -1.5 < charges.net[0] < -0.5
    assert charges.net[1] == pytest.approx(charges.net[2], abs=0.02)


# Near-grid's surfaces wander by a part of a step, and O-H has a steep one: see docs/bader.md.
@pytest.mark.parametrize(("algorithm", "limit"), [("weight", 0.01), ("near-grid", 0.02)])
def test_moving_all_atoms_by_a_fraction_of_a_step_moves_no_charge(
    water, tmp_path, algorithm, limit
):
    still = water_charges(water, algorithm)
    for shift in (0.02, 0.0417):  # a quarter and half of a step of 0.083 Angstrom
        assert run_water(tmp_path / str(shift), {**GRID, "LELF": "F"}, shift=shift) == 0
        moved = water_charges(tmp_path / str(shift), algorithm)
        np.testing.assert_allclose(moved.electrons, still.electrons, atol=limit)


def test_a_molecule_without_images_stays_where_the_poscar_has_it(water, tmp_path):
    # Across the corner of the box: the engine puts the molecule together somewhere else.
    tags = {**GRID, "IDIPOL": "4", "LELF": "F"}
    assert run_water(tmp_path, tags, shift=-2.4, box=8.0) == 0
    charges = water_charges(tmp_path)
    np.testing.assert_allclose(charges.electrons, water_charges(water).electrons, atol=0.03)


def test_the_spin_density_sums_to_the_moment(tmp_path):
    lines = ["OH", "1.0", "7 0 0", "0 7 0", "0 0 7", "O H", "1 1", "Cartesian"]
    lines += ["2.0 2.0 2.0", "2.56 2.56 2.56"]
    (tmp_path / "POSCAR").write_text("\n".join(lines) + "\n")
    (tmp_path / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n")
    tags = {**INCAR, "ISPIN": "2", "NGXF": "56", "NGYF": "56", "NGZF": "56"}
    (tmp_path / "INCAR").write_text("".join(f"{k} = {v}\n" for k, v in tags.items()))
    assert run_engine("xtb", tmp_path) == 0
    chgcar = load_density(tmp_path / "CHGCAR", n_electrons=7.0)
    assert chgcar.spin.mean() == pytest.approx(1.0, abs=1e-6)
    reference = load_density(tmp_path / "AECCAR0").values + chgcar.values
    charges = bader_charges(reference, chgcar.values, chgcar.structure, spin=chgcar.spin)
    assert charges.moments[0] > 0.9  # the radical electron is on O
    assert charges.moments.sum() == pytest.approx(1.0, abs=1e-4)


def test_without_a_word_in_incar_no_density_is_written(tmp_path):
    assert run_water(tmp_path, {"LCHARG": "F", "LAECHG": "F", "LELF": "F"}) == 0
    assert not list(tmp_path.glob("*CAR0")) + list(tmp_path.glob("CHGCAR"))


def test_densities_of_an_earlier_run_do_not_stay(tmp_path):
    tmp_path.joinpath("CHGCAR").write_text("old")
    assert run_water(tmp_path, {"LCHARG": "F", "LAECHG": "F", "LELF": "F"}) == 0
    assert not (tmp_path / "CHGCAR").exists()


def test_a_grid_too_coarse_is_refused_with_the_one_to_use(tmp_path, capsys):
    tags = {"NGXF": "20", "NGYF": "20", "NGZF": "20"}
    assert run_water(tmp_path, tags) == 1
    message = capsys.readouterr().err
    assert "20x20x20 has steps of 0.400 Angstrom" in message
    assert "NGXF = 67, NGYF = 67, NGZF = 67" in message
    assert not (tmp_path / "CHGCAR").exists()
    assert "Total CPU" not in (tmp_path / "OUTCAR").read_text()
