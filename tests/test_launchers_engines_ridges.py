"""Bands that start on a ridge slide off it, in few steps, and are not called done before."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from heterofire.launchers.engines.bands import run_band
from heterofire.launchers.engines.elastic import Pull
from heterofire.launchers.engines.end_memory import EndMemory
from heterofire.launchers.engines.image_potentials import ImagePotentials, InTurn
from heterofire.launchers.engines.poscars import Poscar, format_poscar, read_poscar
from heterofire.launchers.engines.potentials import Evaluation, ScfCycle
from heterofire.launchers.engines.ridges import way_aside
from heterofire.launchers.engines.stopping import Stopper
from heterofire.launchers.engines.tags import Settings
from heterofire.launchers.engines.writing import Label, RunFiles
from heterofire.results.barriers import band_barrier
from heterofire.results.neb_parsing import parse_band
from heterofire.results.ridges import slides

BUMP, WIDTH, WALL = 0.4, 0.5, 0.3  # eV, Angstrom, eV/Angstrom^4
CENTRE = np.array([6.0, 6.0, 6.0])
CAGE = [
    [6 + 1.6 * np.cos(angle), 6 + 1.6 * np.sin(angle), 6 + height]
    for angle in np.linspace(0, 2 * np.pi, 6, endpoint=False)
    for height in (-2.9, 2.9)
]  # held: they give K the stiffness that the model Hessian has between layers


def landscape(x, y, z):
    """Return energy (eV) and force: two valleys at x = -1 and 1, and a bump on the line between."""
    bump = BUMP * np.exp(-(x * x + y * y) / (2 * WIDTH**2))
    energy = 0.05 * (x * x - 1) ** 2 + bump + WALL * y**4 + 2 * z * z
    slope = [0.2 * x * (x * x - 1) - bump * x / WIDTH**2, 4 * WALL * y**3 - bump * y / WIDTH**2]
    return energy, -np.array([*slope, 4 * z])


def saddle():
    """Return the height of the pass beside the bump over the ends of the band, eV."""
    aside = min(landscape(0.0, y, 0.0)[0] for y in np.linspace(0.0, 2.0, 20001))
    return aside - landscape(1.0, 0.0, 0.0)[0]


class Landscape:
    """A calculator with one atom that moves."""

    def evaluate(self, positions):
        energy, force = landscape(*(positions[0] - CENTRE))
        forces = np.zeros_like(positions)
        forces[0] = force
        return Evaluation(
            free_energy=energy,
            entropy_term=0.0,
            forces=forces,
            stress=None,
            eigenvalues=np.zeros((1, 1, 1)),
            occupations=np.ones((1, 1, 1)),
            fermi_level=0.0,
            weights=np.zeros((1, 1, len(positions), 9, 1)),
            charges=np.zeros(len(positions)),
            cycles=(ScfCycle(energy=energy, change=0.0, density_error=0.0),),
        )

    def write_densities(self, _folder, _head):
        return {}


class Engine:
    """Makes calculators of the landscape."""

    def potential(self, _poscar, _folder, _stopper):
        return Landscape()


def images(n_images, aside, above):
    """Return a band along the line, its middle that far beside and above it (Angstrom)."""
    movable = np.zeros((1 + len(CAGE), 3), dtype=bool)
    movable[0] = True
    band = []
    for t in np.linspace(-1, 1, n_images):
        atom = CENTRE + np.array([t, aside * (1 - t * t), above * (1 - t * t)])
        fractional = np.vstack([atom, CAGE]) / 12
        band.append(
            Poscar(
                comment="a bump",
                lattice=12 * np.eye(3),
                symbols=("K", *["S"] * len(CAGE)),
                fractional=fractional,
                movable=movable,
            )
        )
    return band


def settings_of(n_images, limit, nsw):
    settings = Settings(sigma=0.05, ediff=1e-6, ismear=0, nelm=60)
    band = {"images": n_images - 2, "spring": -5.0, "lclimb": True}
    return replace(settings, nsw=nsw, ibrion=3, ediffg=-limit, **band)


def relax(folder, *, aside=0.0, limit, above=0.0, n_images=5, nsw=60, band=None):
    """Relax a band of the landscape with the engine's own driver; goes on where one was."""
    settings, band = settings_of(n_images, limit, nsw), band or images(n_images, aside, above)
    tags = {"IMAGES": str(n_images - 2), "EDIFFG": str(-limit), "NSW": str(nsw), "IBRION": "3"}
    tags |= {"ENCUT": "400", "GGA": "PE", "LCLIMB": ".TRUE."}
    label = Label(program="vasp", version="6", method="landscape", started=datetime(2026, 1, 1))
    folders = [folder / f"{i:02d}" for i in range(n_images)]
    for path, image in zip(folders, band, strict=True):
        path.mkdir(exist_ok=True)
        (path / "POSCAR").write_text(format_poscar(image, image.positions))
    (folder / "INCAR").write_text("".join(f"{tag} = {value}\n" for tag, value in tags.items()))
    (folder / "KPOINTS").write_text("Gamma\n0\nGamma\n1 1 1\n0 0 0\n")
    static = replace(settings, nsw=0, ibrion=-1, images=0)
    kinds = [static, *[settings] * (n_images - 2), static]
    files = [
        RunFiles(path, image, kind, tags, label, ("K", "S"))
        for path, image, kind in zip(folders, band, kinds, strict=True)
    ]
    sharing = InTurn(ImagePotentials(Engine(), band, folders, Stopper(folder)))
    outcome = run_band(sharing, band, settings, files, Stopper(folder), EndMemory(folder, ""))
    return outcome, [remark for file in files for remark in file.remarks]


def barrier_of(folder):
    return band_barrier(parse_band(folder, initial=None, final=None))


@pytest.mark.parametrize("n_images", [5, 7])
@pytest.mark.parametrize("aside", [0.1, 0.3])
def test_a_band_slides_off_a_ridge_into_the_saddle_in_few_steps(tmp_path, n_images, aside):
    outcome, remarks = relax(tmp_path, aside=aside, limit=0.02, n_images=n_images)
    assert outcome.status == "converged"
    assert outcome.n_steps < 15  # 11 to 25 with the stiffness of the model
    assert barrier_of(tmp_path).forward_image == pytest.approx(saddle(), abs=1e-3)
    assert not remarks


@pytest.mark.parametrize(
    ("aside", "above", "limit"),
    [(0.0, 0.0, 0.05), (0.02, 0.0, 0.05), (0.0, 0.3, 0.05), (0.02, 0.3, 0.25), (0.1, 0.0, 0.4)],
)
def test_small_forces_on_a_ridge_are_not_the_end(tmp_path, capsys, aside, above, limit):
    outcome, remarks = relax(tmp_path, aside=aside, above=above, limit=limit)
    assert outcome.status == "converged"
    height = barrier_of(tmp_path).forward_image
    assert height == pytest.approx(saddle(), abs=5e-3)  # the ridge is 0.18 eV higher
    looks = [line.split() for line in capsys.readouterr().out.splitlines() if "aside" in line]
    falls = [float(words[2]) for words in looks]
    assert falls[0] < -15
    assert all(fall < -2 for fall in falls[:-1])
    assert falls[-1] > 5, "the way aside goes up at the saddle"
    assert outcome.n_evaluations == 2 + 3 * outcome.n_steps + len(falls) + 1  # and back
    assert len(remarks) == len(falls) - 1
    assert all("lay on a ridge" in remark for remark in remarks)


def test_a_band_at_rest_climbs_at_once_when_it_is_computed_again(tmp_path):
    relax(tmp_path, aside=0.3, limit=0.02, n_images=4)
    ends = images(4, 0.3, 0.0)
    middle = [read_poscar(tmp_path / name / "CONTCAR") for name in ("01", "02")]
    steps = np.diff([image.positions[0] for image in (ends[0], *middle, ends[-1])], axis=0)
    assert np.ptp(np.linalg.norm(steps, axis=1)) > 0.3, "the top is not where springs would have it"
    (again := tmp_path / "again").mkdir()
    outcome, _ = relax(again, limit=0.02, n_images=4, band=[ends[0], *middle, ends[-1]])
    assert (outcome.status, outcome.n_steps) == ("converged", 1)


def test_an_atom_that_is_free_along_the_path_only_has_no_way_aside():
    pull = Pull(
        tangent=np.array([1.0, 0.0]), real=0.0, spring=0.0, across=np.array([0.0, 0.1]), climbs=True
    )
    moves = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert way_aside(moves, np.eye(2), pull) is None


# ---- bands of programs that stop on a ridge ---------------------------------------------------


def test_the_barrier_of_a_band_that_stopped_while_it_slid_says_so(tmp_path):
    relax(tmp_path, aside=0.02, limit=0.001, nsw=4)  # as VASP would end with EDIFFG = -0.4
    barrier = barrier_of(tmp_path)
    assert barrier.forward_image > saddle() + 0.1
    assert any("image 02" in note and "smaller EDIFFG" in note for note in barrier.notes)


def test_the_barrier_of_a_band_at_its_saddle_has_no_such_note(tmp_path):
    relax(tmp_path, aside=0.3, limit=0.02)
    assert not any("ridge" in note for note in barrier_of(tmp_path).notes)


@pytest.mark.parametrize(
    ("energies", "is_sliding"),
    [
        ([0.2481, 0.2434, 0.2364], True),  # K between MoSSe and N-graphene, forces below 0.08 eV/A
        ([0.2481, 0.2434], False),
        ([0.250, 0.249, 0.248, 0.247], False),
        ([0.2500, 0.2495, 0.2485], False),
        ([0.25, 0.26, 0.24], False),
        ([0.30, 0.27, 0.25], False),
    ],
)
def test_a_top_slides_when_it_falls_faster_and_faster(energies, is_sliding):
    assert slides(energies) is is_sliding
