"""The page on what open DFT says prints what the reference database has, and so do its pictures."""

import re
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest
from typer.testing import CliRunner

from heterofire.launchers.cli import app
from heterofire.results.figures import draw_figure
from heterofire.results.querying import query
from heterofire.results.reference import reference_file
from heterofire.results.store import ResultStore
from heterofire.workflows.study_reading import load_study

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "open-dft.md").read_text(encoding="utf-8")
PICTURES = sorted(DOCS.glob("reference-*.png"))
STUDY = {"study": "potassium-anode", "profile": "gpaw", "engine": "gpaw"}
HOSTS = ("MoS2@NC", "MoSSe@NC", "MoSSe(outer)@NC")
HERE, AT_GAMMA = "K binding energy", "K binding energy at 1x1x1 k-points"

pytestmark = pytest.mark.skipif(
    not reference_file().is_file(), reason="no reference database has been published yet"
)


def printed(row: str) -> list[str]:
    """Return the cells of the row of that name."""
    (line,) = re.findall(rf"^\| {re.escape(row)} \|(.*)\|$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def computed(model: str, quantity: str, region: str, reference: str = "K atom") -> pd.DataFrame:
    """Return the numbers at the sites of a region."""
    asked = f'model = "{model}" AND quantity = "{quantity}" AND label STARTS WITH "{region}"'
    frame = query(f'{asked} AND reference = "{reference}"', database="reference")
    assert frame["status"].isin(["ok", "missing"]).all(), frame
    return frame


def bindings(model: str, quantity: str, region: str) -> list[str]:
    """Return binding energies as the page prints them, the lowest first."""
    return [f"{value:.2f}" for value in sorted(computed(model, quantity, region)["value"])]


def in_words(values: pd.Series) -> str:
    """Return numbers as a cell of the page has them."""
    return "being computed" if values.isna().any() else " / ".join(f"{v:.2f}" for v in values)


@pytest.mark.parametrize(
    ("row", "quantity", "region", "rank"),
    [
        ("gallery, lower of two sites", HERE, "gallery", 0),
        ("gallery, the other", HERE, "gallery", 1),
        ("outer face, on S", HERE, "outer-1", 0),
        ("outer face, beside Se", HERE, "outer-near", 0),
        ("gallery, lower, Gamma alone", AT_GAMMA, "gallery", 0),
        ("outer face, on S, Gamma alone", AT_GAMMA, "outer-1", 0),
    ],
)
def test_binding_energies_on_the_page_are_those_of_the_database(row, quantity, region, rank):
    for model, cell in zip(HOSTS, printed(row), strict=False):
        assert cell == (bindings(model, quantity, region) or [""] * 2)[rank], (row, model)


@pytest.mark.parametrize("quantity", ["net charge of K", "electrons gained by N-graphene"])
@pytest.mark.parametrize(
    ("region", "where"), [("gallery", "in the gallery"), ("outer-1", "on the outer face")]
)
def test_charges_on_the_page_are_those_of_the_database(quantity, region, where):
    where = where if quantity.startswith("net") else f"K {where}"
    for model, cell in zip(HOSTS, printed(f"{quantity}, {where}"), strict=True):
        energies = computed(model, HERE, region).set_index("label")["value"]
        charges = computed(model, quantity, region, "Bader near-grid").set_index("label")["value"]
        assert cell == f"{charges[energies.idxmin()]:.2f}", (quantity, model)


def test_what_the_layers_exchange_on_the_page_is_that_of_the_database():
    quantity = "electrons gained by N-graphene"
    for model, cell in zip(HOSTS, printed(f"{quantity}, without K"), strict=True):
        (value,) = computed(model, quantity, "without ion", "Bader near-grid")["value"]
        assert cell == f"{value:.2f}"


@pytest.mark.parametrize(
    ("row", "label", "mesh"),
    [
        ("outer face", "surface", ""),
        ("gallery", "gallery", ""),
        ("gallery, Gamma alone", "gallery", " at 1x1x1 k-points"),
    ],
)
def test_barriers_on_the_page_are_those_of_the_database(row, label, mesh):
    for model, cell in zip(HOSTS[:2], printed(row), strict=False):
        ways = (computed(model, f"barrier {way}{mesh}", label, "") for way in ("forward", "back"))
        assert cell == in_words(pd.concat(ways)["value"]), (row, model)


@pytest.mark.parametrize("route", ["Mo + K + S", "KMoS2", "KMo(1-x)S2", "MoS2"])
def test_routes_on_the_page_are_those_of_the_database(route):
    for model, cell in zip(("without Se", "with Se"), printed(f"to {route}"), strict=False):
        frame = computed(model, "reaction energy", route, "")
        assert cell == in_words(frame[frame["label"] == route]["value"]), (route, model)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_shows_the_rows_of_the_database(picture):
    done = CliRunner().invoke(app, ["figure", "--read", str(picture), "--db", "reference"])
    assert done.exit_code == 0, done.output
    assert "all rows are as they were" in done.stdout


@pytest.mark.parametrize("name", load_study("potassium-anode").figures_in("gpaw"))
def test_every_figure_is_drawn_and_nothing_is_cut_off_at_its_edge(name, tmp_path):
    with ResultStore.open("reference") as store:
        draw_figure(store, name, **STUDY, folder=tmp_path)
    pixels = matplotlib.image.imread(tmp_path / f"{name}.png")[..., :3]
    for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
        assert (edge == 1).all()


def test_the_page_shows_every_picture():
    shown = re.findall(r"\]\((reference-[^)]+\.png)\)", PAGE)
    assert sorted(shown) == [path.name for path in PICTURES]
    assert shown
