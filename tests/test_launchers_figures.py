"""``heterofire figure``: drawn, checked and read back on the command line."""

import json

import pytest
from pypdf import PdfReader

from heterofire.results.records import Label, Property
from heterofire.results.store import ResultStore

STUDY = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}


def _binding(value) -> Property:
    return Property(
        **STUDY, method="GFN1-xTB, 1000 K", model="MoS2@NC", quantity="K binding energy",
        label="gallery-1", reference="K atom", value=value, unit="eV", energy_kind="E0",
        status="ok", keys=("run-1",),
    )  # fmt: skip


def _derive(folder, value):
    with ResultStore.open(folder / "results.db") as store:
        store.replace_properties(**STUDY, properties=[_binding(value)])


@pytest.fixture
def project(tmp_path, full_run):
    folder = tmp_path / "mein Ordner Å"
    folder.mkdir()
    with ResultStore.open(folder / "results.db") as store:
        label = Label(study="potassium-anode", profile="quick", model="MoS2@NC", task="relax",
                      name="MoS2@NC/K")  # fmt: skip
        store.add_run("run-1", label, full_run)
    _derive(folder, -5.0)
    return folder


@pytest.fixture
def drawn(project, heterofire):
    done = heterofire(project, "figure", "potassium-anode", "5b")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"figures/5b.{kind}" for kind in ("png", "svg", "pdf", "csv")
    ]
    return project


def test_what_can_be_drawn_is_drawn_and_the_rest_is_named(project, heterofire):
    done = heterofire(project, "figure", "potassium-anode")
    assert done.returncode == 1
    assert "figures/5b.png" in done.stdout
    assert "figure 5c of potassium-anode" in done.stderr
    assert "figure 5d of potassium-anode" in done.stderr
    assert {path.stem for path in (project / "figures").glob("*.png")} == {"5b"}


def test_a_figure_that_the_profile_has_not_is_refused(project, heterofire):
    done = heterofire(project, "figure", "potassium-anode", "charges", "--profile", "gpaw",
                      "--engine", "xtb")  # fmt: skip
    assert done.returncode == 2
    assert "has no figure charges in profile gpaw; it has 5a, 5b" in done.stderr


def test_a_figure_that_is_as_drawn_passes_the_check(drawn, heterofire):
    done = heterofire(drawn, "figure", "potassium-anode", "5b", "--check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5b: current, drawn 20")


def test_a_stale_figure_names_its_row_and_fails(drawn, heterofire):
    _derive(drawn, -4.0)
    done = heterofire(drawn, "figure", "potassium-anode", "5b", "--check")
    assert done.returncode == 1
    assert "5b: stale" in done.stdout
    assert "gallery-1 against K atom: -5 eV -> -4 eV" in done.stdout
    assert "heterofire figure potassium-anode 5b --profile quick -o figures" in done.stderr
    done = heterofire(drawn, "figure", "potassium-anode", "5b", "--check", "--json")
    (found,) = json.loads(done.stdout)
    assert (found["state"], found["changes"][0]["old"], found["changes"][0]["new"]) == (
        "stale", -5.0, -4.0,
    )  # fmt: skip


def test_a_missing_file_fails_the_check(drawn, heterofire):
    (drawn / "figures" / "5b.svg").unlink()
    done = heterofire(drawn, "figure", "potassium-anode", "5b", "--check")
    assert done.returncode == 1
    assert "5b: files differ" in done.stdout
    assert "figures/5b.svg is missing" in done.stdout


def test_a_folder_without_a_figure_does_not_count_where_another_has_it(drawn, heterofire):
    (drawn / "potassium-anode-quick-xtb").mkdir()
    done = heterofire(drawn, "figure", "potassium-anode", "5b", "--check")
    assert done.returncode == 0, done.stdout
    for path in (drawn / "figures").iterdir():
        path.unlink()
    done = heterofire(drawn, "figure", "potassium-anode", "5b", "--check")
    assert done.returncode == 1
    assert "figures/5b.png is missing" in done.stdout


def test_a_file_tells_its_rows_and_whether_they_are_still_there(drawn, heterofire):
    done = heterofire(drawn, "figure", "--read", "figures/5b.pdf")
    assert done.returncode == 0, done.stderr
    assert "engine xtb, method GFN1-xTB, 1000 K" in done.stdout
    assert "results.db: all rows are as they were" in done.stdout
    _derive(drawn, -4.0)
    done = heterofire(drawn, "figure", "--read", "figures/5b.png")
    assert "results.db: not as it was drawn:" in done.stdout
    assert "-5 eV -> -4 eV" in done.stdout
    done = heterofire(drawn, "figure", "--read", "figures/5b.svg", "--json")
    assert json.loads(done.stdout)["rows"][0][0] == "property"


def test_a_file_can_be_read_where_there_is_no_database(drawn, heterofire, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = heterofire(elsewhere, "figure", "--read", drawn / "figures" / "5b.png")
    assert done.returncode == 0
    assert "no database" in done.stderr
    assert not (elsewhere / "results.db").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["figure"], "name a study"),
        (["figure", "potassium-anode", "9z", "--check"], "has no figure 9z"),
        (["figure", "--read", "nothing.png"], "cannot read nothing.png"),
        (["figure", "--read", "results.db"], "no PNG, SVG or PDF"),
    ],
)
def test_wrong_usage_says_what_to_do(project, heterofire, arguments, words):
    done = heterofire(project, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_text_stays_text_and_fonts_are_in_the_pdf(drawn):
    page = PdfReader(drawn / "figures" / "5b.pdf").pages[0]
    assert "binding energy against K atom" in page.extract_text()
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    kinds = {f["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object().keys()
             >= {"/FontFile2"} if "/DescendantFonts" in f else "/FontFile2" in
             f["/FontDescriptor"].get_object() for f in fonts}  # fmt: skip
    assert kinds == {True}
    assert ">gallery-1</text>" in (drawn / "figures" / "5b.svg").read_text()
