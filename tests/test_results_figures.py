"""Figures come from the store alone, say where their numbers are from, and repeat to the byte."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from heterofire.results.barriers import fit_barrier
from heterofire.results.drawings import add_remarks, panels
from heterofire.results.figure_data import dos_frame, profile_frame
from heterofire.results.figures import draw_figure
from heterofire.results.plots import plot_binding, plot_dos, plot_profile, plot_reactions
from heterofire.results.published import printed_values
from heterofire.results.records import Label, Property
from heterofire.results.store import ResultStore
from heterofire.structures.errors import InputError, RunError

STUDY = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}
MODELS = ("MoS2@NC", "MoSSe@NC")

PRINTED = ("5a", "5b", "5c", "5d")  # figures of the paper; those of charges have their own tests


def _property(model, quantity, label, value, **changes) -> Property:
    values = {**STUDY, "method": "GFN1-xTB, 1000 K", "reference": "", "unit": "eV",
              "energy_kind": "E0", "status": "ok"}  # fmt: skip
    return Property(model=model, quantity=quantity, label=label, value=value, **(values | changes))


def _properties() -> list[Property]:
    items = []
    for i, model in enumerate(MODELS):
        items.append(_property(model, "DOS at E_F", "host", 3.0, keys=(model,)))
        items += [
            _property(model, "K binding energy", site, -5.5 + i / 10 + shift, reference=reference)
            for site in ("gallery-1", "outer-1")
            for reference, shift in (("K atom", 0.0), ("bcc K", 0.9), ("K+ gas", -4.3))
        ]
        barrier = fit_barrier([0, 1, 2.5], [0.0, 0.4 + i, 0.1])
        items += [
            _property(model, f"barrier {way}", "gallery", value, detail=barrier.detail())
            for way, value in (("forward", barrier.forward), ("back", barrier.back))
        ]
    items += [
        _property(series, "reaction energy", route, value, unit="eV/MoX2", status=status)
        for series, status in (("without Se", "ok"), ("with Se", "unconverged"))
        for route, value in (("Mo + K + S", 8.0), ("KMo(1-x)S2", 1.0))
    ]
    return items


@pytest.fixture
def filled(store, full_run):
    for model in MODELS:
        label = Label(study="potassium-anode", profile="quick", model=model, task="dos", name=model)
        store.add_run(model, label, full_run)
    store.replace_properties(**STUDY, properties=_properties())
    return store


@pytest.mark.parametrize("name", PRINTED)
def test_a_figure_is_written_with_engine_method_and_numbers(filled, tmp_path, name):
    paths = draw_figure(filled, name, **STUDY, folder=tmp_path)
    assert [path.name for path in paths] == [
        f"{name}.{kind}" for kind in ("png", "svg", "pdf", "csv")
    ]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "engine xtb, method GFN1-xTB, 1000 K, profile quick" in paths[1].read_text()
    frame = pd.read_csv(paths[3])
    assert set(frame["engine"]) == {"xtb"}
    assert set(frame["method"]) == {"GFN1-xTB, 1000 K"}


def test_a_host_with_binding_energies_alone_is_in_their_figure_and_in_no_other(filled, tmp_path):
    outer = "MoSSe(outer)@NC"
    alone = _property(outer, "K binding energy", "outer-near-Se-1", -5.7, reference="K atom")
    filled.replace_properties(**STUDY, properties=[*_properties(), alone])
    shown = {
        name: set(pd.read_csv(draw_figure(filled, name, **STUDY, folder=tmp_path)[3])["model"])
        for name in ("5a", "5b", "5c")
    }
    assert shown == {"5a": {*MODELS}, "5b": {*MODELS, outer}, "5c": {*MODELS}}


_DRAW = """
import sys, pathlib
from heterofire.results.figures import draw_figure
from heterofire.results.store import ResultStore
for name in ("5a", "5b", "5c", "5d"):
    draw_figure(ResultStore.open(sys.argv[1]), name, study="potassium-anode", profile="quick",
                engine="xtb", folder=pathlib.Path(sys.argv[2]))
"""


def test_another_process_draws_the_same_bytes(filled, tmp_path):
    here = [
        p for name in PRINTED for p in draw_figure(filled, name, **STUDY, folder=tmp_path / "a")
    ]
    command = [sys.executable, "-c", _DRAW, str(tmp_path / "results.db"), str(tmp_path / "b")]
    subprocess.run(command, check=True)
    for path in here:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_the_numbers_beside_the_figure_are_those_of_the_store(filled, tmp_path):
    frame = pd.read_csv(draw_figure(filled, "5b", **STUDY, folder=tmp_path)[3])
    stored = [p for p in filled.properties() if p.quantity == "K binding energy"]
    assert list(frame["value"]) == [item.value for item in stored]
    assert set(frame["reference"]) == {"K atom", "bcc K", "K+ gas"}


def test_an_unknown_figure_and_an_empty_store_are_errors(filled, store, tmp_path):
    with pytest.raises(InputError, match="choose of 5a, 5b, 5c, 5d"):
        draw_figure(filled, "9z", **STUDY, folder=tmp_path)
    filled.replace_properties(**STUDY, properties=[])
    for name in PRINTED:
        with pytest.raises(RunError, match="finish the study"):
            draw_figure(filled, name, **STUDY, folder=tmp_path)


def test_two_methods_are_never_in_one_figure(filled, tmp_path):
    other = _property("MoS2@NC", "K binding energy", "x", -1.0, method="GFN2-xTB, 1000 K")
    filled.replace_properties(**STUDY, properties=[*_properties(), other])
    with pytest.raises(RunError, match="never mixed"):
        draw_figure(filled, "5b", **STUDY, folder=tmp_path)


def test_another_engine_has_its_own_figure(filled, tmp_path):
    with pytest.raises(RunError, match="engine vasp"):
        draw_figure(filled, "5b", **(STUDY | {"engine": "vasp"}), folder=tmp_path)


def test_binding_energies_of_one_reference_alone_are_drawn():
    frame = pd.DataFrame([vars(p) for p in _properties() if p.quantity == "K binding energy"])
    ax = plot_binding(frame, printed=printed_values("potassium-anode", "Fig. 5b"))
    drawn = sorted(float(x) for line in ax.lines for x in line.get_xdata())
    assert drawn == pytest.approx([-5.5, -5.5, -5.4, -5.4, -1.96, -1.47])
    assert ax.get_xlabel() == "K binding energy against K atom (eV)"


def test_published_points_are_hollow():
    frame = pd.DataFrame([vars(p) for p in _properties() if p.quantity == "K binding energy"])
    ax = plot_binding(frame, printed=printed_values("potassium-anode", "Fig. 5b"))
    printed = [line for line in ax.lines if line.get_xdata()[0] in (-1.96, -1.47)]
    assert [line.get_markerfacecolor() for line in printed] == ["none", "none"]


def test_profiles_pass_through_their_images():
    frame = profile_frame(_properties())
    curve = frame[(frame["model"] == "MoS2@NC") & (frame["part"] == "curve")]
    images = frame[(frame["model"] == "MoS2@NC") & (frame["part"] == "image")]
    assert np.interp(1.0, curve["path"], curve["energy"]) == pytest.approx(0.4, abs=0.01)
    assert list(images["energy"]) == pytest.approx([0.0, 0.4, 0.1])
    ax = plot_profile(frame)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("path (Å)", "$E$ (eV)")


def test_partial_dos_never_exceeds_the_total(full_run):
    frame = dos_frame({"m": full_run}).pivot(index="energy", columns="series", values="dos")
    assert list(frame.columns) == ["Mo d", "S p", "total"]
    assert (frame[["Mo d", "S p"]].sum(axis=1) <= frame["total"] + 1e-9).all()
    assert "eV" in plot_dos(dos_frame({"m": full_run})).get_xlabel()


def test_reaction_bars_have_the_stored_lengths_and_unit():
    frame = pd.DataFrame([vars(p) for p in _properties() if p.quantity == "reaction energy"])
    ax = plot_reactions(frame, printed={"Mo + K + S": 9.26})
    assert sorted(bar.get_width() for bar in ax.patches) == [1.0, 1.0, 8.0, 8.0]
    assert "eV per MoX" in ax.get_xlabel()
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, False, True, True]


def test_a_figure_needs_the_store_file_and_nothing_else(filled, tmp_path):
    (tmp_path / "moved").mkdir()
    filled.close()
    moved = (tmp_path / "results.db").rename(tmp_path / "moved" / "r.db")
    with ResultStore.open(moved) as store:
        assert len(draw_figure(store, "5a", **STUDY, folder=tmp_path / "out")) == 4


def test_long_remarks_stay_inside_the_figure():
    figure, _ = panels(1, 1.5)
    widest = "MoSSe@NC gallery-1 at gallery-2, MoSSe(outer)@NC gallery-2 at gallery-1, " * 3
    add_remarks(figure, ["engine xtb", widest])
    figure.draw_without_rendering()
    (remark,) = (text for text in figure.texts if "engine xtb" in text.get_text())
    box = remark.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert remark.get_text().count("\n") >= 2
    assert " ".join(remark.get_text().split()) == f"engine xtb {widest.strip()}"
