"""Density files: what is written is what VASP's readers find."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.outputs import Chgcar

from heterofire.results.densities import load_density
from heterofire.results.density_files import poscar_head, write_density
from heterofire.results.elf import load_elf
from heterofire.structures.errors import RunError
from heterofire.workflows.densities import compress_densities

CELL = Structure(Lattice.orthorhombic(3, 4, 5), ["K", "S"], [[0, 0, 0], [0.5, 0.5, 0.5]])
HEAD = poscar_head(CELL, "a comment")


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(6, 7, 11)) * 10.0 ** np.arange(-5, 6)


def test_a_density_comes_back_to_ten_digits(tmp_path, values):
    density = load_density(write_density(tmp_path / "CHGDIFF.vasp", HEAD, values))
    np.testing.assert_allclose(density.values, values, rtol=1e-10)
    assert density.structure == CELL
    assert density.spin is None


def test_a_second_block_is_the_spin_density(tmp_path, values):
    density = load_density(write_density(tmp_path / "CHGCAR", HEAD, values, values / 3))
    np.testing.assert_allclose(density.spin, values / 3, rtol=1e-10)


def test_the_file_looks_like_vasps(tmp_path, values):
    lines = write_density(tmp_path / "CHGCAR", HEAD, values).read_text().splitlines()
    start = lines.index("    6    7   11")
    assert lines[start - 1] == ""
    assert {len(line.split()) for line in lines[start + 1 : -1]} == {5}
    assert {len(line) for line in lines[start + 1 : -1]} == {90}  # negative numbers as well
    assert len(lines[-1].split()) == 462 % 5
    assert Chgcar.from_file(str(tmp_path / "CHGCAR")).dim == (6, 7, 11)


@given(st.lists(st.floats(-1e80, 1e80), min_size=1, max_size=12))
@example([9.999999999999999, -9.99999999995, 0.1, 1.0, -1e22, 1e23, 999999999999.5])
@example([10.0**k for k in range(-98, 80)] + [-(10.0**k) for k in range(-98, 80)])
def test_a_value_has_the_digits_that_python_gives_it(numbers):
    with tempfile.TemporaryDirectory() as folder:
        path = write_density(Path(folder) / "CHGCAR", HEAD, np.array(numbers).reshape(-1, 1, 1))
        written = path.read_text().rpartition(f"{len(numbers):5d}    1    1\n")[2]
    cells = re.findall(r".{18}", written)
    for cell, number in zip(cells, numbers, strict=True):
        wanted = 0.0 if abs(number) < 1e-99 else number
        assert re.fullmatch(r" \d\.\d{11}E[+-]\d\d| -\d\.\d{10}E[+-]\d\d", cell)
        digit = 10.0 ** (int(cell[-3:]) - (11 if cell[1] != "-" else 10))
        assert cell[1:3].strip("-.") != "0" or wanted == 0
        assert abs(float(cell) - wanted) <= 0.5001 * digit


def test_what_needs_three_digits_in_the_exponent_is_zero(tmp_path):
    path = write_density(tmp_path / "CHGCAR", HEAD, np.array([[[-1e-120, 1e-300, -0.0, 2.0]]]))
    assert path.read_text().splitlines()[-1] == (
        " 0.00000000000E+00 0.00000000000E+00 0.00000000000E+00 2.00000000000E+00"
    )


def test_nan_is_never_written(tmp_path, values):
    values[1, 2, 3] = np.nan
    with pytest.raises(RunError, match="CHGCAR: NaN or infinity"):
        write_density(tmp_path / "CHGCAR", HEAD, values)
    assert not list(tmp_path.iterdir())


def test_density_files_are_packed_and_still_read(tmp_path, values):
    for name in ("CHGCAR", "AECCAR0", "OUTCAR"):
        write_density(tmp_path / name, HEAD, values)
    compress_densities(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"CHGCAR.gz", "AECCAR0.gz", "OUTCAR"}
    np.testing.assert_allclose(load_density(tmp_path / "CHGCAR.gz").values, values, rtol=1e-10)


def test_elf_is_averaged_over_spins_and_summed_up_by_planes(tmp_path):
    up, down = np.full((4, 4, 6), 0.2), np.full((4, 4, 6), 0.6)
    up[0, 0, 2] = 1.0
    write_density(tmp_path / "ELFCAR", HEAD, up, down)
    elf = load_elf(tmp_path)
    assert elf.grid == (4, 4, 6)
    assert elf.largest[2] == pytest.approx(0.8)
    assert elf.mean[0] == pytest.approx(0.4)
    np.testing.assert_allclose(elf.z, np.arange(6) * 5 / 6)


def test_values_that_are_no_elf_are_refused(tmp_path):
    write_density(tmp_path / "ELFCAR", HEAD, np.full((4, 4, 6), 1.5))
    with pytest.raises(RunError, match=r"values from 1\.5 to 1\.5, which is no ELF"):
        load_elf(tmp_path)
