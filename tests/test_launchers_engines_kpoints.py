"""KPOINTS and KSPACING as lists of points: VASP's rules, real runs, and bad files."""

import gzip
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure
from pymatgen.io.vasp import Vasprun
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from heterofire.launchers.engines.kpoints import (
    read_kpoints,
    refuse_all_but_gamma,
    regular_mesh,
    symmetry_note,
)
from heterofire.launchers.engines.tags import Settings
from heterofire.structures.errors import EngineError, InputError

CELL = np.array([[4.0, 0.0, 0.0], [0.5, 4.5, 0.0], [0.0, 0.0, 9.0]])
# Folders of the corpus whose KPOINTS is the one that VASP read.
REAL = (
    "bad/aiida_exit_codes/converged/out",
    "dos/al_nscf_metal",
    "dos/si_nscf_uniform",
    "molecule/pyiron_bader_h2o",
    "neb/mast_fivefreq_AlMg/defect_purefin_q=p0_stat",
    "slab/ir_h_adsorbate_2",
    "slab/ir_h_adsorbate_3",
    "static/si_static_v5",
    "vasp6/pm_kpoints_opt",
)


def points_of(tmp_path, text, **settings):
    if text is not None:
        (tmp_path / "KPOINTS").write_text(text)
    return read_kpoints(tmp_path, CELL, Settings(**settings))


def as_set(points):
    """Return points as whole numbers modulo a reciprocal lattice vector."""
    return {tuple(row) for row in np.round(np.asarray(points) % 1.0 * 10**5).astype(int) % 10**5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("g\n0\nGamma\n3 1 1\n0 0 0\n", [0, 1 / 3, -1 / 3]),
        ("m\n0\nMonkhorst-Pack\n3 1 1\n", [-1 / 3, 0, 1 / 3]),
        ("m\n0\nMonkhorst-Pack\n4 1 1\n0 0 0\n", [-3 / 8, -1 / 8, 1 / 8, 3 / 8]),
        ("s\n0\nGamma\n2 1 1\n0.5 0 0 ! half a step\n", [0.25, -0.25]),
        ("s\n0\nMonkhorst\n2 1 1\n0.5 0 0\n", [0.0, 0.5]),
        ("n\n0\ngamma-centred\n2 1 1\n\n\n", [0.0, 0.5]),
    ],
    ids=["odd", "odd Monkhorst", "even Monkhorst", "shift", "Monkhorst shifted", "empty lines"],
)
def test_a_mesh_has_the_points_that_monkhorst_and_pack_gave_it(tmp_path, text, expected):
    kpoints = points_of(tmp_path, text)
    np.testing.assert_allclose(kpoints.points[:, 0], expected, atol=1e-12)
    assert not kpoints.points[:, 1:].any()
    assert kpoints.weights.sum() == pytest.approx(1.0)


def test_the_first_index_runs_fastest_as_in_ibzkpt():
    points = regular_mesh((2, 2, 2)).points
    assert points[1].tolist() == [0.5, 0, 0]
    assert points[2].tolist() == [0, 0.5, 0]


def test_a_list_keeps_its_points_and_makes_the_weights_sum_to_one(tmp_path):
    text = "e\n3\nReciprocal\n0 0 0 1\n0.5 0 0 2 ! X\n0.5 0.5 0 1 M\nTetrahedra\n1 0.1\n"
    kpoints = points_of(tmp_path, text)
    assert kpoints.mesh is None
    np.testing.assert_allclose(kpoints.points, [[0, 0, 0], [0.5, 0, 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose(kpoints.weights, [0.25, 0.5, 0.25])


def test_kspacing_follows_vasps_rule_and_kgamma_moves_the_mesh(tmp_path):
    # |b| is 1/4 (a and b are not orthogonal: larger), 1/4.5 and 1/9; times 2 pi over 0.5.
    centred = points_of(tmp_path, None, kspacing=0.5)
    assert centred.mesh == (4, 3, 2)
    moved = points_of(tmp_path, None, kspacing=0.5, kgamma=False)
    assert (0, 0, 0) in as_set(centred.points)
    assert (0, 0, 0) not in as_set(moved.points)
    assert as_set(moved.points) == as_set(regular_mesh((4, 3, 2), style="Monkhorst-Pack").points)


def test_kpoints_counts_and_kspacing_does_not_where_both_are_there(tmp_path):
    assert points_of(tmp_path, "g\n0\nGamma\n1 1 1\n", kspacing=0.1).is_gamma


@pytest.mark.parametrize("folder", REAL)
def test_the_points_of_real_runs_are_ours_up_to_symmetry(tmp_path, folder):
    corpus = os.environ.get("HETEROFIRE_VASP_CORPUS")
    if not corpus:
        pytest.skip("HETEROFIRE_VASP_CORPUS names no folder with real VASP files")
    path = Path(corpus) / folder
    packed = path / "KPOINTS.gz"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else None
    (tmp_path / "KPOINTS").write_text(text or (path / "KPOINTS").read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = Vasprun(path / "vasprun.xml.gz", parse_dos=False, parse_eigen=False,
                      parse_potcar_file=False)  # fmt: skip
    structure = run.initial_structure
    if "aiida" in folder:  # VASP adds points until the mesh has the symmetry of the lattice
        structure = Structure(structure.lattice, ["Si"], [[0, 0, 0]])
    kpoints = read_kpoints(tmp_path, structure.lattice.matrix, Settings())
    theirs = np.array(run.actual_kpoints)
    if kpoints.mesh is None:
        np.testing.assert_allclose(kpoints.points, theirs, atol=1e-7)
        np.testing.assert_allclose(kpoints.weights, run.actual_kpoints_weights, atol=1e-7)
        return
    assert kpoints.mesh == tuple(run.kpoints.kpts[0])
    rotations = SpacegroupAnalyzer(structure, symprec=1e-3).get_symmetry_dataset().rotations
    orbits = [as_set([s * k @ r for r in rotations for s in (1, -1)]) for k in theirs]
    mine = as_set(kpoints.points)
    assert all(orbit & mine for orbit in orbits)
    assert mine <= set.union(*orbits)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g\n0\nGamma\n2 2\n", "line 4 has not three whole numbers"),
        ("g\n0\nGamma\n2 2.5 1\n", "line 4 has not three whole numbers"),
        ("g\n0\nGamma\n2 0 1\n", "2x0x1 is no mesh"),
        ("g\n0\nGamma\n2000 2000 2000\n", "at most 1,000,000"),
        ("g\n0\nGamma\n2 2 1\n0 0\n", "line 5 has not 3 numbers"),
        ("g\n0\nGamma\n2 2 1\nnan 0 0\n", "line 5 has not 3 numbers"),
        ("e\n2\nReciprocal\n0 0 0 1\n", "2 points, 1 follow"),
        ("e\n2\nReciprocal\n0 0 0 1\n0.5 0 0\n", "line 5 has not 4 numbers"),
        ("e\n1\nReciprocal\n0 0 0 0\n", "weights"),
        ("e\n2\nReciprocal\n0 0 0 2\n0.5 0 0 -1\n", "weights"),
        ("a\n0\nAuto\n-20\n", "length -20 must be positive"),
        ("g\nmany\nGamma\n2 2 1\n", "line 2 has not the number of points.*'many'"),
        ("g\n-4\nGamma\n2 2 1\n", "line 2"),
        ("g\n\nGamma\n2 2 1\n", "line 2"),
        ("g\n0\n", "ends too early"),
        ("", "ends too early"),
    ],
)
def test_a_malformed_file_is_named_with_the_line(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"KPOINTS.*{message}"):
        points_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p\n40\nLine-mode\nReciprocal\n0 0 0\n0.5 0 0\n", "band structure"),
        ("c\n1\nCartesian\n0.5 0 0 1\n", "Write 'Reciprocal'"),
        ("v\n0\nReciprocal\n0.25 0 0\n0 0.25 0\n0 0 0.25\n0 0 0\n", "line 3 .'Reciprocal'"),
    ],
    ids=["lines", "Cartesian", "vectors"],
)
def test_what_no_engine_reads_is_refused_with_the_next_step(tmp_path, text, message):
    with pytest.raises(EngineError, match=rf"KPOINTS.*{message}"):
        points_of(tmp_path, text)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "KPOINTS").mkdir()
    with pytest.raises(InputError, match=r"cannot read .*KPOINTS"):
        points_of(tmp_path, None)


def test_a_comment_in_another_encoding_does_no_harm(tmp_path):
    (tmp_path / "KPOINTS").write_bytes(b"\xe9 Gitter\n0\nGamma\n1 1 1\n")
    assert points_of(tmp_path, None).is_gamma


def test_kspacing_must_be_positive(tmp_path):
    with pytest.raises(InputError, match=r"KSPACING = -0\.3"):
        points_of(tmp_path, None, kspacing=-0.3)


def test_only_a_mesh_without_the_symmetry_of_the_lattice_is_remarked_on():
    hexagonal = 3.2 * np.array([[1.0, 0, 0], [-0.5, 0.75**0.5, 0], [0, 0, 5]])
    note = symmetry_note(regular_mesh((6, 6, 1), style="Monkhorst-Pack"), hexagonal)
    assert "centred on Gamma" in note
    assert symmetry_note(regular_mesh((6, 6, 1)), hexagonal) is None
    assert symmetry_note(regular_mesh((5, 5, 1), style="Monkhorst-Pack"), hexagonal) is None
    assert symmetry_note(regular_mesh((6, 4, 1), style="Monkhorst-Pack"), CELL) is None


def test_an_engine_without_kpoints_names_the_mesh_it_refuses(tmp_path):
    refuse_all_but_gamma(points_of(tmp_path, "c\n1\nCartesian\n0 0 0 1\n"))
    with pytest.raises(EngineError, match="k-points 2x1x1 shifted off Gamma, but this engine"):
        refuse_all_but_gamma(points_of(tmp_path, "s\n0\nGamma\n2 1 1\n0.5 0 0\n"))
