"""The NH2-MIL-101(Fe) cluster in the embedded engine: spin, and whether it holds together."""

import pytest
from pymatgen.io.vasp import Oszicar

from heterofire.launchers.engines.run import run_engine
from heterofire.structures.crystal_bonds import find_bonds
from heterofire.structures.formats import read_structure, write_structure
from heterofire.structures.mof_clusters import build_cluster
from heterofire.structures.species import box_species

COMMON = "ISMEAR = -1\nSIGMA = 0.0862\nEDIFF = 1E-5\nNELM = 300\nISPIN = 2\nIDIPOL = 4\n"
GAMMA = "Gamma\n0\nGamma\n1 1 1\n0 0 0\n"


def compute(folder, spin, tags):
    """Run the engine on the default cluster and return the run folder."""
    folder.mkdir()
    cluster = build_cluster(spin=spin)
    boxed = box_species(cluster)
    write_structure(boxed.structure, folder / "POSCAR")
    moments = " ".join(f"{moment:g}" for moment in boxed.moments)
    spins = f"NUPDOWN = {cluster.multiplicity - 1}\nMAGMOM = {moments}\n"
    (folder / "INCAR").write_text(COMMON + spins + tags)
    (folder / "KPOINTS").write_text(GAMMA)
    assert run_engine("xtb", folder) == 0
    return folder


def graph(structure):
    """Return the pairs of bonded atoms."""
    return {(i, j) for i, near in enumerate(find_bonds(structure).of_atom) for j, _ in near}


def iron_oxygen(structure):
    """Return the lengths of all Fe-O bonds."""
    symbols = [site.specie.symbol for site in structure]
    pairs = [(i, j) for i, j in graph(structure) if (symbols[i], symbols[j]) == ("Fe", "O")]
    return sorted(structure.get_distance(i, j) for i, j in pairs)


def test_five_unpaired_electrons_lie_below_fifteen(tmp_path):
    # No proof of the broken symmetry: GFN1 shares the five as 3.3, 1.3 and 0.7 on the three Fe.
    energies = {
        spin: Oszicar(compute(tmp_path / spin, spin, "NSW = 0\n") / "OSZICAR").final_energy
        for spin in ("af", "fm")
    }
    assert energies["af"] < energies["fm"] - 1.0


@pytest.mark.slow
def test_the_relaxed_cluster_keeps_its_bonds(tmp_path):
    tags = "NSW = 300\nIBRION = 2\nISIF = 2\nEDIFFG = -0.05\n"
    folder = compute(tmp_path / "af", "af", tags)
    before, after = (read_structure(folder / name) for name in ("POSCAR", "CONTCAR"))
    assert graph(after) == graph(before)
    lengths = iron_oxygen(after)
    assert len(lengths) == 17
    # GFN1 leaves 1.85-2.15: to 1.75 at mu3-O or OH, to 2.38 at water. The ferromagnetic cluster
    # keeps its bonds, too (tried once; the same minutes again).
    assert 1.70 < lengths[0] < 1.85
    assert 2.15 < lengths[-1] < 2.45
