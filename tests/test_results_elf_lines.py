"""The ELF of a molecule is kept for slices, and tells a bond from a gap."""

from dataclasses import replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.density_files import poscar_head, write_density
from heterofire.results.derive import derive
from heterofire.results.elf import load_elf
from heterofire.results.elf_lines import elf_line, elf_slice
from heterofire.results.records import Label
from heterofire.results.requests import ElfLineRequest
from heterofire.structures.errors import RunError

ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}
BOX, N = 12.0, 120
PLACES = np.array([[5.0, 6.0, 6.0], [6.6, 6.0, 6.0], [5.0, 7.6, 6.0]])  # S, N bonded; O not


@pytest.fixture
def run(make_run, tmp_path):
    """A run whose ELF is one Gaussian between S and N, as written to ELFCAR and read."""
    structure = Structure(Lattice.cubic(BOX), ["S", "N", "O"], PLACES, coords_are_cartesian=True)
    x = np.arange(N) * BOX / N
    axes = np.meshgrid(x, x, x, indexing="ij")
    r2 = sum((a - c) ** 2 for a, c in zip(axes, [5.8, 6.0, 6.0], strict=True))
    write_density(tmp_path / "ELFCAR", poscar_head(structure, "elf"), 0.9 * np.exp(-r2 / 2))
    return replace(make_run(structure), elf=load_elf(tmp_path))


def _request(**changes) -> ElfLineRequest:
    bonds = {"S1-N1": (0, 1), "S1-O1": (0, 2)}
    values = {"model": "free", "label": "x", "key": "k", "bonds": bonds, "plane": (0, 1, 2)}
    return ElfLineRequest(**(values | changes))


def test_points_about_a_quarter_angstrom_apart_are_kept_of_a_molecule(run):
    assert run.elf.coarse.shape == (60, 60, 60)
    assert run.elf.grid == (N, N, N)
    assert 0 <= run.elf.coarse.min() <= run.elf.coarse.max() == pytest.approx(0.9, abs=0.02)


def test_the_line_between_two_atoms_is_the_function_there(run):
    share, line, length = elf_line(run, (0, 1))
    assert length == pytest.approx(1.6)
    wanted = 0.9 * np.exp(-((1.6 * (share - 0.5)) ** 2) / 2)
    np.testing.assert_allclose(line, wanted, atol=0.02)


def test_a_bond_is_told_from_a_gap_and_the_line_survives_the_store(run, store):
    label = Label(study="s", profile="quick", model="free", task="elf", name="free/elf")
    store.add_run("k", label, run)
    np.testing.assert_array_equal(store.get_run("k").elf.coarse, run.elf.coarse)
    bond, gap = derive(store, [_request()], **ABOUT)
    assert bond.quantity == "lowest ELF between S1-N1"
    assert bond.value == pytest.approx(0.9 * np.exp(-(0.32**2) / 2), abs=0.02)
    assert gap.value < bond.value
    assert len(bond.detail["line"]) == 61


def test_a_slice_holds_the_three_atoms_and_turns_with_them(run):
    data = elf_slice(run, (0, 1, 2))
    assert list(data.atoms["symbol"]) == ["S", "N", "O"]
    assert data.atoms[["across", "up"]].to_numpy() == pytest.approx(
        np.array([[0, 0], [1.6, 0], [0, 1.6]]), abs=1e-9
    )
    row, column = np.unravel_index(data.values.argmax(), data.values.shape)
    assert data.across[column] == pytest.approx(0.8, abs=0.15)
    assert data.up[row] == pytest.approx(0.0, abs=0.15)
    turned = elf_slice(run, (0, 2, 1))
    assert turned.values.max() == pytest.approx(data.values.max(), abs=0.02)
    assert len(data.frame()) == data.values.size


def test_what_has_no_slice_is_refused(run, make_run, make_structure):
    with pytest.raises(RunError, match="no ELF of a molecule"):
        elf_line(make_run(run.structure), (0, 1))
    straight = run.structure.copy()
    straight.translate_sites([2], [1 / 12, -1.6 / 12, 0.0])
    straight = replace(run, structure=straight)
    with pytest.raises(RunError, match="on a line"):
        elf_slice(straight, (0, 1, 2))


def test_slabs_keep_planes_only(make_structure, tmp_path):
    slab = Structure(Lattice.cubic(5.0), ["S"], [[0.5] * 3])
    write_density(tmp_path / "ELFCAR", poscar_head(slab, "elf"), np.full((8, 8, 8), 0.5))
    assert load_elf(tmp_path).coarse is None
