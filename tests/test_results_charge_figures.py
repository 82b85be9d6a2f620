"""Figures of charges: the numbers that are drawn."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from pymatgen.core import Lattice, Structure

from heterofire.results.charge_figure_data import (
    charge_frame,
    difference_frame,
    isosurfaces,
    slice_through,
    window,
)
from heterofire.results.charge_plots import (
    plot_charges,
    plot_difference_profile,
    plot_isosurfaces,
    plot_slice,
)
from heterofire.results.charges import INTEGRATED
from heterofire.results.figures import draw_figure
from heterofire.results.planar import unfolded_positions
from heterofire.results.plots import styles
from heterofire.results.records import DensityDifference, Label, Property
from heterofire.structures.errors import RunError

LATTICE = Lattice.from_parameters(6.0, 6.0, 24.0, 90, 90, 120)
CELL = Structure(LATTICE, ["C", "S"], [[1 / 3, 1 / 3, 0.30], [2 / 3, 2 / 3, 0.45]])
SHAPE = (30, 30, 120)
ABOUT = {"study": "s", "profile": "quick", "engine": "xtb"}


def blob(place, electrons, width=0.7) -> np.ndarray:
    """Return a periodic Gaussian in e/Angstrom^3."""
    axes = [np.arange(n) / n for n in SHAPE]
    away = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) - np.array(place)
    away -= np.round(away)
    total = np.zeros(SHAPE)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            total += np.exp(
                -(((away + np.array([i, j, 0])) @ LATTICE.matrix) ** 2).sum(-1) / 2 / width**2
            )
    return electrons * total / (total.mean() * CELL.volume)


@pytest.fixture(scope="module")
def delta() -> np.ndarray:
    """0.2 electrons have gone from C to S."""
    return blob(CELL.frac_coords[1], 0.2) - blob(CELL.frac_coords[0], 0.2)


@pytest.fixture
def difference(delta, make_run) -> DensityDifference:
    run = make_run(CELL)
    n, height = SHAPE[2], 24.0
    start = 105  # plane in the middle of the vacuum
    line = np.roll(delta.sum(axis=(0, 1)) * CELL.volume / delta.size / (height / n), -start)
    return DensityDifference(
        folder="runs/difference",
        settings=run.settings,
        engine_version="0.8.0",
        status="converged",
        reasons=(),
        structure=CELL,
        fragments={"sheet": (0,), "film": (1,)},
        z=(start + np.arange(n)) * height / n,
        joint=np.ones(n),
        delta=line,
        integrated=(np.cumsum(line) - line / 2) * height / n,
        planes=(33.0,),
        coarse=delta,
        grid=SHAPE,
    )


def test_the_profile_holds_every_model_and_ends_at_zero(difference):
    frame = difference_frame({"a": difference, "b": difference})
    assert list(frame["model"].unique()) == ["a", "b"]
    assert frame["integrated"].iloc[-1] == pytest.approx(0.0, abs=1e-6)
    assert frame["integrated"].min() == pytest.approx(-0.2, abs=4e-3)  # tails cross the plane


def test_a_slice_runs_through_the_largest_difference_in_true_lengths(difference):
    data = slice_through(difference)
    assert np.abs(data.values).max() == pytest.approx(np.abs(difference.coarse).max(), rel=0.03)
    assert data.along[-1] == pytest.approx(6.0, abs=0.11)
    row, column = np.unravel_index(np.abs(data.values).argmax(), data.values.shape)
    atom = data.atoms.iloc[0]
    assert data.z[row] == pytest.approx(atom["z"], abs=0.15)
    assert data.along[column] == pytest.approx(atom["along"], abs=0.15)
    low, high = window(difference)
    assert (data.z[0], data.z[-1]) == pytest.approx((low, high), abs=0.11)


def test_a_cell_whose_c_leans_is_drawn_where_its_atoms_are(difference):
    leaning = Lattice([*LATTICE.matrix[:2], [2.0, 1.2, 24.0]])
    structure = Structure(leaning, CELL.species, CELL.frac_coords)
    tilted = replace(difference, structure=structure)
    data = slice_through(tilted)
    assert np.abs(data.values).max() == pytest.approx(np.abs(tilted.coarse).max(), rel=0.05)
    assert len(data.atoms) >= 1
    gain = isosurfaces(tilted, level=0.01)[0]
    sulphur = unfolded_positions(structure, float(tilted.z[0]))[1]
    centre = gain.vertices.mean(axis=0)
    in_plane = structure.lattice.get_fractional_coords(centre - sulphur)
    np.testing.assert_allclose(in_plane - np.round(in_plane), 0.0, atol=0.02)
    assert centre[2] == pytest.approx(sulphur[2], abs=0.2)


def test_what_is_not_converged_is_said_in_figure_and_csv(filled, difference, tmp_path):
    label = Label(study="s", profile="quick", model="MoS2@NC", task="x", name="m/other")
    filled.add_difference("d2", label, replace(difference, status="unconverged", reasons=("NELM",)))
    found = filled.properties(**ABOUT)
    poor = [
        replace(p, keys=("r1", "d2"))
        if p.reference == INTEGRATED
        else replace(p, status="unconverged")
        for p in found
    ]
    filled.replace_properties(**ABOUT, properties=poor)
    for name in FIGURES[1:]:
        draw_figure(filled, name, **ABOUT, folder=tmp_path)
        assert "not converged: MoS2@NC" in (tmp_path / f"{name}.svg").read_text()
        assert "unconverged" in (tmp_path / f"{name}.csv").read_text()
    draw_figure(filled, "charges", **ABOUT, folder=tmp_path)
    assert "faded: not converged" in (tmp_path / "charges.svg").read_text()


def test_isosurfaces_enclose_what_they_say(difference):
    gain, loss = isosurfaces(difference, level=0.01)
    assert (gain.level, loss.level) == (0.01, -0.01)
    assert gain.electrons == pytest.approx(-loss.electrons, abs=1e-3)
    # A Gaussian is above the level within this radius.
    top = np.abs(difference.coarse).max()
    radius = 0.7 * np.sqrt(2 * np.log(top / 0.01))
    assert gain.area == pytest.approx(4 * np.pi * radius**2, rel=0.05)
    assert gain.volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.1)  # counted points
    centre = gain.vertices.mean(axis=0)[2]
    assert centre == pytest.approx(0.45 * 24 + 24, abs=0.2)  # z as in the profile


def hop(image: int, net: float, scheme: str, model: str = "MoS2@NC") -> Property:
    return Property(
        **ABOUT,
        method="GFN1-xTB, 1000 K",
        model=model,
        quantity="net charge of K",
        label=f"gallery image {image}",
        reference=scheme,
        value=net,
        unit="e",
        energy_kind="",
        status="ok",
        keys=("r1",),
        detail={"hop": "gallery", "image": image, "path": 1.5 * image},
    )


HOPS = [
    hop(i, 0.8 + i / 100, scheme) for i in (2, 0, 1) for scheme in ("Bader near-grid", "Mulliken")
]


def test_charges_are_in_the_order_of_the_path():
    site = replace(hop(0, 0.7, "Mulliken"), detail={"atoms": [0.7]})
    frame = charge_frame([*HOPS, site])
    assert len(frame) == 6
    part = frame[frame["scheme"] == "Mulliken"]
    assert list(part["path"]) == [0.0, 1.5, 3.0]
    assert list(part["net"]) == pytest.approx([0.8, 0.81, 0.82])


def test_drawn_lines_are_the_numbers(difference):
    frame = charge_frame(HOPS)
    axes = plot_charges(frame, colours=styles(frame["model"]))
    for line in axes.lines:
        np.testing.assert_allclose(line.get_ydata(), [0.8, 0.81, 0.82])
    assert axes.get_ylabel() == "charge of K (e)"
    profile = plot_difference_profile(difference_frame({"m": difference}), planes=[33.0])
    np.testing.assert_allclose(profile.lines[0].get_ydata(), difference.delta)
    image = plot_slice(slice_through(difference))
    assert image.get_clim()[0] == -image.get_clim()[1]
    three = Figure().add_subplot(projection="3d")
    plot_isosurfaces(isosurfaces(difference), difference, three)
    assert three.get_zlim()[0] < three.get_zlim()[1]


@pytest.fixture
def filled(store, difference, make_run):
    """A store with a difference, the property that names it, and charges along a hop."""
    label = Label(study="s", profile="quick", model="MoS2@NC", task="charge", name="m/charge")
    store.add_run("r1", label, make_run(CELL))
    store.add_difference("d1", replace(label, name="m/difference"), difference)
    gained = replace(
        hop(0, -0.2, INTEGRATED),
        quantity="electrons gained by sheet",
        label="host",
        detail={},
        keys=("r1", "d1"),
    )
    store.replace_properties(**ABOUT, properties=[*HOPS, gained])
    return store


FIGURES = ("charges", "difference-profile", "difference-slice", "difference-isosurface")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_from_the_store_with_engine_and_method(filled, tmp_path, name):
    paths = draw_figure(filled, name, **ABOUT, folder=tmp_path)
    assert [path.suffix for path in paths] == [".png", ".svg", ".pdf", ".csv"]
    assert (
        "engine xtb, method GFN1-xTB, 1000 K, profile quick"
        in (tmp_path / f"{name}.svg").read_text()
    )
    assert (tmp_path / f"{name}.csv").read_text().count("\n") > 2
    assert (tmp_path / f"{name}.svg").stat().st_size < 3e6


def test_the_profile_says_in_words_who_gains(filled, tmp_path):
    draw_figure(filled, "difference-profile", **ABOUT, folder=tmp_path)
    assert "sheet loses 0.200 e" in (tmp_path / "difference-profile.svg").read_text()


def test_another_process_draws_the_same_bytes(filled, tmp_path):
    code = (
        "import sys, pathlib\n"
        "from heterofire.results.figures import draw_figure\n"
        "from heterofire.results.store import ResultStore\n"
        "for name in sys.argv[3:]:\n"
        "    draw_figure(ResultStore.open(sys.argv[1]), name, study='s', profile='quick',"
        " engine='xtb', folder=pathlib.Path(sys.argv[2]))\n"
    )
    here = [p for name in FIGURES for p in draw_figure(filled, name, **ABOUT, folder=tmp_path)]
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-c", code, filled.name, str(other), *FIGURES], check=True)
    for path in here:
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


@pytest.mark.parametrize("name", FIGURES)
def test_without_numbers_there_is_no_figure_but_a_reason(store, tmp_path, name):
    with pytest.raises(RunError, match="no number for it"):
        draw_figure(store, name, **ABOUT, folder=tmp_path)
