"""Routes, densities of states and barriers of several hosts side by side, from the store alone."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from heterofire.results.barriers import fit_barrier
from heterofire.results.compare import compare
from heterofire.results.figure_data import host_dos_frame, pathway_frame
from heterofire.results.figures import draw_figure
from heterofire.results.host_plots import plot_barriers, plot_host_dos
from heterofire.results.pathway_plots import plot_pathways
from heterofire.results.published import numbered_figures, papers, printed_values
from heterofire.results.records import Label, Property
from heterofire.structures.errors import InputError

DOI = "10.1007/s40820-025-01667-7"
STUDY = {"study": "sulfide-cathode", "profile": "quick", "engine": "xtb"}
NAMES = ("3a", "3b", "3c", "3d")
HOSTS = ("MoS2-MoN", "MoS2-Mo3Ni3N", "Li2SO3(001) hypothetical")
STATES = ("PS4 + *OH", "PS4-OH", "PS3O-SH", "PS3O + *SH")
ROUTES = {
    ("Mo3Ni3N(221)", "to MoS2", "PS3O + MoS2"): (0.0, -1.2, -0.9, 0.3, -0.4),
    ("C(002)", "to Li2SO3", "PS3O + Li2SO3"): (0.0, -0.3, -0.1, 2.6, 2.9),
}


def _property(model, quantity, label, value, **changes) -> Property:
    values = {**STUDY, "method": "GFN1-xTB, 1000 K", "reference": "", "unit": "eV",
              "energy_kind": "E0", "status": "ok"}  # fmt: skip
    return Property(model=model, quantity=quantity, label=label, value=value, **(values | changes))


def _pathway(model, route, last, energies, *, reference="", poor=()) -> list[Property]:
    kind = "free energy" if reference else "energy"
    names, steps = (*STATES, last), np.diff(energies)
    items = [
        _property(
            model, f"state {kind}", f"{route}: {name}", energy, reference=reference,
            detail={"route": route, "state": name, "position": i},
            status="unconverged" if name in poor else "ok",
        )
        for i, (name, energy) in enumerate(zip(names, energies, strict=True))
    ]  # fmt: skip
    for i, step in enumerate(steps, start=1):
        about = {"route": route, "from": names[i - 1], "to": names[i], "position": i}
        label = f"{route}: {names[i - 1]} -> {names[i]}"
        items.append(
            _property(model, f"step {kind}", label, float(step), reference=reference, detail=about)
        )
    about = items[len(names) + int(np.argmax(steps))].detail
    items.append(
        _property(
            model, "rate-determining step", route, float(max(steps)), reference=reference,
            detail=about,
        )
    )  # fmt: skip
    return items


def _pathways(**changes) -> list[Property]:
    return [item for about, e in ROUTES.items() for item in _pathway(*about, e, **changes)]


def _hosts() -> list[Property]:
    items = []
    for i, host in enumerate(HOSTS):
        items.append(_property(host, "DOS at E_F", "host", 9.0 - 4 * i, keys=(host,), unit="x"))
        if i < 2:
            items.append(
                _property(host, "DOS at E_F per area", "host", 4.0 - i, keys=(host,),
                          unit="states/eV/nm^2", detail={"area_nm2": 2.5})
            )  # fmt: skip
        barrier = fit_barrier([0, 1, 2.5], [0.0, 0.2 + 0.4 * i, 0.1])
        status = "unconverged" if i == 2 else "ok"
        items += [
            _property(
                host, f"barrier {way}", "surface", value, detail=barrier.detail(), status=status
            )
            for way, value in (("forward", barrier.forward), ("back", barrier.back))
        ]
        items += [
            _property(host, "migration barrier", f"surface, {where}", 0.3 * i + more, status=status)
            for where, more in (("along a line", 0.2), ("in the plane", 0.3))
        ]
    items.append(_property(HOSTS[2], "band gap", "host", 4.2, energy_kind=""))
    items.append(_property(HOSTS[0], "lattice mismatch", "area", 1.4, unit="%", method="geometry"))
    return items


@pytest.fixture
def filled(store, full_run):
    for host in HOSTS:
        label = Label(study="sulfide-cathode", profile="quick", model=host, task="dos", name=host)
        store.add_run(host, label, full_run)
    store.replace_properties(**STUDY, properties=[*_pathways(), *_hosts()])
    return store


def _draw(store, name, folder) -> tuple[str, pd.DataFrame]:
    """Return the text in the figure and the numbers beside it."""
    paths = draw_figure(store, name, **STUDY, folder=folder)
    return paths[1].read_text(), pd.read_csv(paths[3], keep_default_na=False)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_says_its_engine_and_method(filled, tmp_path, name):
    text, frame = _draw(filled, name, tmp_path)
    assert "engine xtb, method GFN1-xTB, 1000 K, profile quick" in text
    assert set(frame["method"]) == {"GFN1-xTB, 1000 K"}


_CODE = """
import sys, pathlib
from heterofire.results.figures import draw_figure
from heterofire.results.store import ResultStore
for name in ("3a", "3b", "3c", "3d"):
    draw_figure(ResultStore.open(sys.argv[1]), name, study="sulfide-cathode", profile="quick",
                engine="xtb", folder=pathlib.Path(sys.argv[2]))
"""


def test_another_process_draws_the_same_bytes(filled, tmp_path):
    here = [p for name in NAMES for p in draw_figure(filled, name, **STUDY, folder=tmp_path / "a")]
    command = [sys.executable, "-c", _CODE, str(tmp_path / "results.db"), str(tmp_path / "b")]
    subprocess.run(command, check=True)
    for path in here:
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_the_numbers_of_a_profile_are_those_of_the_store():
    frame = pathway_frame(_pathways())
    on_carbon = frame[frame["model"] == "C(002)"]
    assert list(on_carbon["energy"]) == [0.0, -0.3, -0.1, 2.6, 2.9]
    assert list(on_carbon["step"])[1:] == pytest.approx([-0.3, 0.2, 2.7, 0.3])
    assert list(on_carbon["is_rate_determining"]) == [False, False, False, True, False]
    assert list(on_carbon["state"])[-1] == "PS3O + Li2SO3"


def test_levels_are_joined_and_the_largest_step_carries_its_energy():
    ax = plot_pathways(pathway_frame(_pathways()))
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 8
    assert [text.get_text() for text in ax.texts] == ["1.20 eV", "2.70 eV"]
    assert ax.get_ylabel() == "$E$ (eV)"
    last = ax.get_xticklabels()[-1].get_text()
    assert "MoS$_{2}$" in last
    assert "Li$_{2}$SO$_{3}$" in last


def test_a_state_that_is_missing_leaves_a_gap():
    items = [item for item in _pathways() if not item.label.endswith(": PS3O-SH")]
    ax = plot_pathways(pathway_frame(items))
    assert len([line for line in ax.lines if line.get_linestyle() == "--"]) == 4


def test_states_that_are_not_converged_are_hollow(filled, tmp_path):
    items = _pathways(poor=("PS4-OH",))
    ax = plot_pathways(pathway_frame(items))
    assert [line.get_color() for line in ax.lines].count("white") == 2
    filled.replace_properties(**STUDY, properties=items)
    assert "hollow: not converged" in _draw(filled, "3a", tmp_path)[0]


def test_free_energies_are_drawn_where_all_routes_have_them(filled, tmp_path):
    free = _pathways(reference="298.15 K")
    filled.replace_properties(**STUDY, properties=[*_pathways(), *free])
    text, frame = _draw(filled, "3a", tmp_path)
    assert "at 298.15 K" in text
    assert set(frame["reference"]) == {"", "298.15 K"}
    half = [item for item in free if item.model == "C(002)"]
    filled.replace_properties(**STUDY, properties=[*_pathways(), *half])
    assert "at 298.15 K" not in _draw(filled, "3a", tmp_path)[0]


def test_printed_steps_are_told_with_their_source_and_doubt(filled, tmp_path):
    drawn, _ = _draw(filled, "3a", tmp_path)
    # Lines of a remark: those with formulas stand in comments before their letters.
    text = " ".join(map("".join, re.findall("<!-- (.*?) -->|<text [^>]*>([^<]+)</text>", drawn)))
    assert "1.06 eV on" in text
    assert "3.07 eV on" in text
    assert "likely steps of free energy" in text
    assert "Gao et al., Nano-Micro Lett. 17, 140 (2025)" in text


def test_the_dos_of_a_host_is_per_area_where_the_area_is_known(full_run):
    runs = {"a": full_run, "b": full_run}
    frame = host_dos_frame(runs, {"a": 2.5})
    a, b = (frame[frame["model"] == name]["dos"].to_numpy() for name in "ab")
    assert 2.5 * a == pytest.approx(b)
    units = frame.groupby("model")["unit"].first().to_dict()
    assert units == {"a": "states/eV/nm^2", "b": "states/eV/cell"}
    ax = plot_host_dos(frame[frame["model"] == "a"])
    assert "nm$^{-2}$" in ax.get_ylabel()


def test_units_of_a_dos_are_never_in_one_panel(filled, tmp_path):
    text, frame = _draw(filled, "3c", tmp_path)
    assert set(frame["unit"]) == {"states/eV/nm^2", "states/eV/cell"}
    assert set(frame[frame["unit"] == "states/eV/cell"]["model"]) == {HOSTS[2]}
    assert "in which the Fermi level may lie anywhere" in text
    assert "published without a number" in text


def test_barriers_are_bars_with_their_value():
    frame = pd.DataFrame([vars(p) for p in _hosts() if p.quantity == "barrier forward"])
    ax = plot_barriers(frame)
    assert ax.get_xlabel() == "barrier forward (eV)"
    assert [bar.get_width() for bar in ax.patches] == list(frame["value"])
    assert [text.get_text() for text in ax.texts] == [f"{v:.2f}" for v in frame["value"]]
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, False, True]


def test_the_barrier_of_the_lowest_path_is_drawn_before_those_of_single_hops(filled, tmp_path):
    _, frame = _draw(filled, "3d", tmp_path)
    assert set(frame["quantity"]) == {"migration barrier"}
    assert len(frame) == 2 * len(HOSTS)
    hops = [item for item in _hosts() if item.quantity != "migration barrier"]
    filled.replace_properties(**STUDY, properties=hops)
    _, frame = _draw(filled, "3d", tmp_path)
    assert set(frame["quantity"]) == {"barrier forward"}


def test_the_numbers_of_a_figure_belong_to_its_paper(filled, tmp_path):
    assert set(numbered_figures("sulfide-cathode")) == set(NAMES)
    assert set(numbered_figures("potassium-anode")) == {"5a", "5b", "5c", "5d"}
    assert set(numbered_figures("of-my-own")) >= {*NAMES, "5a"}
    with pytest.raises(InputError, match="no figure '5b': choose of 3a, 3b, 3c, 3d, dos"):
        draw_figure(filled, "5b", **STUDY, folder=tmp_path)


def test_a_figure_may_be_named_by_what_it_shows(filled, tmp_path):
    by_name = draw_figure(filled, "pathways", **STUDY, folder=tmp_path)[0]
    by_number = draw_figure(filled, "3a", **STUDY, folder=tmp_path)[0]
    assert Image.open(by_name).tobytes() == Image.open(by_number).tobytes()


def test_printed_steps_are_on_file_with_their_doubts():
    assert [item.value for item in printed_values("sulfide-cathode", "Fig. 3a")] == [
        1.06, 3.07, 1.06, 3.07,
    ]  # fmt: skip
    for item in papers()[DOI].values:
        assert item.quote
        assert item.doubts


def test_the_largest_step_and_the_printed_step_stand_beside_the_printed_value():
    frame = compare(_pathways(), DOI)
    rows = frame[frame["published"].isin([1.06, 3.07])]
    assert list(rows["computed"]) == pytest.approx([1.2, 2.7, 1.2, 2.7])
    assert list(rows["difference"]) == pytest.approx([0.14, -0.37, 0.14, -0.37])
    assert rows["doubts"].str.contains("not a transition state").all()


@pytest.mark.parametrize("name", ["Li2SO3(001) hypothetical", "Li2SO3(001)"])
def test_orderings_are_differences_to_the_sulfite_there_is(name):
    items = [
        _property(name if item.model == HOSTS[2] else item.model, item.quantity, item.label,
                  item.value, unit=item.unit)
        for item in _hosts()
    ]  # fmt: skip
    frame = compare(items, DOI).set_index("quantity")
    dos = frame.loc["DOS at E_F per cell, heterostructure minus Li2SO3"]
    assert list(dos["computed"]) == [8.0, 4.0]
    assert list(dos["model"]) == [f"MoS2-MoN - {name}", f"MoS2-Mo3Ni3N - {name}"]
    for how in ("along a line", "everywhere in the plane"):
        rows = frame[frame.index.str.contains("barrier") & frame.index.str.contains(how)]
        assert list(rows["computed"]) == pytest.approx([-0.6, -0.3])
    assert frame.loc["lattice mismatch"]["computed"] == 1.4
