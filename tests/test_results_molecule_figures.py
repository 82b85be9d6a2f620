"""The figures of the third paper, drawn from a store that holds what its study derives."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from heterofire.results.barriers import fit_barrier
from heterofire.results.charges import BY_NEAREST, transfer_values
from heterofire.results.compare import compare
from heterofire.results.complex_figures import complex_frame
from heterofire.results.decomposition_figures import deciding_steps, step_barriers
from heterofire.results.differences import nearest_gains
from heterofire.results.figures import draw_figure
from heterofire.results.fragment_figures import fragment_frame
from heterofire.results.published import numbered_figures, papers, printed_orderings
from heterofire.results.records import Bands, DensityDifference, Dos, ElfProfile, Label, Property
from heterofire.results.requests import TransferRequest

DOI = "10.1039/d5ee01219h"
STUDY = {"study": "lithium-sei", "profile": "quick", "engine": "xtb"}
NAMES = ("2a", "2b", "2c", "2d", "2e", "2f", "2g", "5f")
MOF, COPC, BOTH = "NH2-MIL-101(Fe)", "CoPc", "MOF@CoPc"
STATES = ("TFSI-", "CF3SO2N + CF3SO2", "CF3 + SO2", "CF2 + F", "LiF")
ROUTES = {
    "free": (0.0, -0.4, 0.6, 1.2, -1.5),
    COPC: (0.0, -0.7, 0.1, 0.7, -1.9),
    BOTH: (0.0, -0.9, -0.2, 0.3, -2.2),
}
BARRIERS = {"free": (0.9, 1.3, 0.8), COPC: (0.6, 1.0, 0.7), BOTH: (0.4, 0.8, 0.6)}
CELL = Structure(
    Lattice.cubic(16.0), ["Co", "N", "S", "F"],
    [[0.40, 0.5, 0.44], [0.52, 0.5, 0.44], [0.5, 0.5, 0.58], [0.6, 0.5, 0.6]],
)  # fmt: skip
FRAGMENTS = {COPC: (0, 1), "TFSI-": (2, 3)}


def _property(model, quantity, label, value, **changes) -> Property:
    values = {**STUDY, "method": "GFN1-xTB, 1000 K", "reference": "", "unit": "eV",
              "energy_kind": "E0", "status": "ok"}  # fmt: skip
    return Property(model=model, quantity=quantity, label=label, value=value, **(values | changes))


def _route(model, energies, tops) -> list[Property]:
    items = []
    for i, (name, energy) in enumerate(zip(STATES, energies, strict=True)):
        detail = {"route": "TFSI-", "state": name, "position": i, "cell": f"{model} {i}"}
        items.append(_property(model, "state energy", f"TFSI-: {name}", energy, detail=detail))
    steps = np.diff(energies)
    for i, step in enumerate(steps, start=1):
        detail = {"route": "TFSI-", "from": STATES[i - 1], "to": STATES[i], "position": i}
        label = f"TFSI-: {STATES[i - 1]} -> {STATES[i]}"
        items.append(_property(model, "step energy", label, float(step), detail=detail))
        if i > len(tops):
            continue
        barrier = fit_barrier([0, 1, 2], [0.0, tops[i - 1], step])
        keys = (f"{model} band {i}", f"{model} {i - 1}", f"{model} other")
        items += [
            _property(model, f"barrier {way}", label, v, detail=barrier.detail(), keys=keys)
            for way, v in (("forward", barrier.forward), ("back", barrier.back))
        ]
    top = int(np.argmax(steps)) + 1
    detail = {"route": "TFSI-", "position": top, "step": f"{STATES[top - 1]} -> {STATES[top]}"}
    items.append(
        _property(model, "rate-determining step", "TFSI-", float(max(steps)), detail=detail)
    )
    return items


def _rate(model, tops) -> Property:
    i = int(np.argmax(tops)) + 1
    detail = {"route": "TFSI-", "to": STATES[i], "step": f"{STATES[i - 1]} -> {STATES[i]}"}
    return _property(model, "rate-determining barrier", "TFSI-", max(tops), detail=detail)


def _levels() -> list[Property]:
    items = []
    for i, model in enumerate((COPC, MOF, BOTH)):
        about = {"keys": (model,), "energy_kind": ""}
        items += [
            _property(model, "Fermi level", "aligned", -4.5 - 0.2 * i, reference="vacuum level",
                      detail={"zero_ev": 0.0}, **about),
            _property(model, "HOMO-LUMO gap", "aligned", 1.4 - 0.3 * i,
                      detail={"by_spin": [1.6, 1.9 - 0.3 * i]}, **about),
            _property(model, "TDOS near E_F", "aligned", 9.0 - i,
                      detail={"per_atom": 0.2, "half_width_ev": 1.0}, **about),
        ]  # fmt: skip
        metals = {COPC: ["Co"], MOF: ["Fe"], BOTH: ["Co", "Fe"]}[model]
        items += [
            _property(model, f"d-band centre of {metal}", "aligned", -1.5 + 0.1 * i,
                      reference="E_F", detail={"by_spin": [-2.0, -1.0]}, **about)
            for metal in metals
        ]  # fmt: skip
    return items


def _complexes() -> list[Property]:
    binding = _property(MOF, "TFSI- binding energy", "at open Fe by O", -1.3,
                        detail={"placement": "placement 2"})  # fmt: skip
    return [
        binding,
        replace(binding, quantity="TFSI- interaction energy", value=-1.6),
        _property("LiTFSI", "Li-TFSI binding energy", "O,O", -5.9, reference="Li+ gas"),
        _property("LiTFSI", "Li-TFSI binding energy", "O,O", -4.1, reference="Li atom"),
        _property(MOF, "CoPc binding energy", "pi on the linker", -1.2),
        _property(COPC, "CoPc binding energy", "stacked", -1.7, status="unconverged"),
    ]


def _charges() -> list[Property]:
    items = []
    for model in (COPC, BOTH):
        for i, name in enumerate(STATES[:3]):
            gains = {"CoPc": -0.2 - 0.3 * i, "TFSI-": 1.2 + 0.3 * i}
            scheme = "Bader near-grid" if model == COPC else "Mulliken"
            items.append(
                _property(model, "electrons gained by TFSI-", f"TFSI-: {name}", gains["TFSI-"],
                          reference=scheme, unit="e", detail={"fragments": gains}, energy_kind="")
            )  # fmt: skip
    for model, lengths in (("free", (1.343, 1.344, 1.346)), (COPC, (1.363, 1.351, 1.350))):
        items += [
            _property(
                model,
                f"C-F bond {i}",
                "TFSI-" if model == "free" else f"TFSI- on {model}",
                length,
                unit="Angstrom",
                energy_kind="",
            )
            for i, length in enumerate(lengths, start=1)
        ]
    return items


def _hops() -> list[Property]:
    items = []
    for model, tops in (("Li(001)", (0.05, 0.2)), ("MOF@CoPc/Li(001)", (0.15, 0.3))):
        for i, top in enumerate(tops, start=1):
            barrier = fit_barrier([0, 1, 2.5], [0.0, top, 0.02])
            items += [
                _property(model, f"barrier {way}", f"surface {i}", v, detail=barrier.detail())
                for way, v in (("forward", barrier.forward), ("back", barrier.back))
            ]
    return items


def _elf() -> list[Property]:
    return [
        _property("free", "lowest ELF between S1-N1", f"TFSI-: {name}", 0.8 - 0.3 * i, unit="",
                  energy_kind="", keys=(COPC,),
                  detail={"plane": [0, 1, 2], "bond": "S1-N1", "length": 1.6 + 0.7 * i})
        for i, name in enumerate(STATES[:3])
    ]  # fmt: skip


def _gained() -> Property:
    return _property(BOTH, "electrons gained by CoPc", "whole", -0.2, reference=BY_NEAREST,
                     unit="e", detail={"fragments": {}}, keys=("r", "d"))  # fmt: skip


def _everything() -> list[Property]:
    routes = [p for m, e in ROUTES.items() for p in _route(m, e, BARRIERS[m])]
    rates = [_rate(m, tops) for m, tops in BARRIERS.items()]
    return [*_levels(), *_complexes(), *routes, *rates, *_charges(), *_hops(), *_elf(), _gained()]


def _run(make_run, spin_split):
    energies = np.linspace(-12.0, 3.0, 1501)
    levels = np.array([[-8.0, -5.5, -4.9, -3.0], [-8.0, -5.0, -3.5, -2.0]])
    levels[1] += spin_split
    peaks = np.exp(-(((energies - levels[..., None]) / 0.15) ** 2)) / (0.15 * np.sqrt(np.pi))
    projected = np.zeros((4, 3, 2, len(energies)))
    projected[0, 2] = peaks[:, 2]
    dos = Dos(energies=energies, total=peaks.sum(axis=1), projected=projected,
              orbitals=("s", "p", "d"), efermi=-4.5, projection="Mulliken")  # fmt: skip
    bands = Bands(eigenvalues=levels[:, None], occupations=(levels < -4.5)[:, None] * 1.0,
                  weights=np.array([1.0]))  # fmt: skip
    n = 40
    axes = np.meshgrid(*(np.arange(n) * 16.0 / n,) * 3, indexing="ij")
    coarse = np.zeros((n, n, n))
    for place in CELL.cart_coords:
        r2 = sum((a - c) ** 2 for a, c in zip(axes, place, strict=True))
        coarse = np.maximum(coarse, 0.9 * np.exp(-r2))
    elf = ElfProfile(z=np.zeros(2), mean=np.zeros(2), largest=np.zeros(2), grid=(n,) * 3,
                     coarse=coarse)  # fmt: skip
    return make_run(CELL, dos=dos, bands=bands, elf=elf)


@pytest.fixture
def difference(make_run) -> DensityDifference:
    """0.2 electrons have gone from N to S, in a box."""
    n = 80
    axes = np.meshgrid(*(np.arange(n) * 16.0 / n,) * 3, indexing="ij")
    coarse = np.zeros((n, n, n))
    for place, electrons in ((CELL.cart_coords[1], -0.2), (CELL.cart_coords[2], 0.2)):
        r2 = sum((a - c) ** 2 for a, c in zip(axes, place, strict=True))
        blob = np.exp(-r2 / 2 / 0.4**2)
        coarse += electrons * blob / (blob.sum() * (16.0 / n) ** 3)
    run = make_run(CELL)
    z = np.arange(n) * 16.0 / n
    line = coarse.sum(axis=(0, 1)) * (16.0 / n) ** 2
    return DensityDifference(
        folder="runs/difference", settings=run.settings, engine_version="0.8.0",
        status="converged", reasons=(), structure=CELL, fragments=FRAGMENTS, z=z,
        joint=np.ones(n), delta=line, integrated=np.cumsum(line) * 16.0 / n, planes=(),
        coarse=coarse, grid=(n, n, n),
    )  # fmt: skip


@pytest.fixture
def filled(store, make_run, difference):
    label = Label(study="lithium-sei", profile="quick", model="m", task="dos", name="m/x")
    for i, model in enumerate((COPC, MOF, BOTH)):
        store.add_run(model, label, _run(make_run, 0.2 * i))
    store.add_run("r", label, make_run(CELL))
    store.add_difference("d", label, difference)
    for key in {key for item in _everything() for key in item.keys}:
        if not store.has(key):
            store.add_run(key, label, make_run(CELL))
    store.replace_properties(**STUDY, properties=_everything())
    return store


def test_every_numbered_figure_says_engine_and_method_and_has_its_numbers(filled, tmp_path):
    assert set(numbered_figures("lithium-sei")) == set(NAMES)
    for name in NAMES:
        paths = draw_figure(filled, name, **STUDY, folder=tmp_path)
        text = paths[1].read_text()
        assert "engine xtb, method GFN1-xTB, 1000 K, profile quick" in text, name
        frame = pd.read_csv(paths[3])
        assert len(frame), name
        assert set(frame["method"]) == {"GFN1-xTB, 1000 K"}


_DRAW = """
import sys, pathlib, json
from heterofire.results.figures import draw_figure
from heterofire.results.store import ResultStore
for name in json.loads(sys.argv[3]):
    draw_figure(ResultStore.open(sys.argv[1]), name, study="lithium-sei", profile="quick",
                engine="xtb", folder=pathlib.Path(sys.argv[2]))
"""


def test_another_process_draws_the_same_bytes(filled, tmp_path):
    names = list(NAMES)
    here = [p for n in names for p in draw_figure(filled, n, **STUDY, folder=tmp_path / "here")]
    there = tmp_path / "there"
    arguments = [filled.name, str(there), json.dumps(names)]
    subprocess.run([sys.executable, "-c", _DRAW, *arguments], check=True)
    for path in here:
        assert path.read_bytes() == (there / path.name).read_bytes(), path.name


def test_a_transition_state_stands_above_the_state_its_band_starts_from():
    frame = step_barriers(_everything())
    row = frame[(frame["model"] == "free") & (frame["position"] == 2)].iloc[0]
    assert row["top"] == pytest.approx(ROUTES["free"][1] + row["barrier"])
    assert bool(row["is_rate_determining"])
    assert frame.groupby("model")["is_rate_determining"].sum().tolist() == [1, 1, 1]


def test_a_band_that_only_ends_in_a_state_is_measured_from_there():
    turned = [
        replace(p, keys=(p.keys[0], "with 2 Li", f"free {p.label.count('SO2 ->') + 1}"))
        if p.quantity.startswith("barrier") and p.model == "free" else p
        for p in _everything()
    ]  # fmt: skip
    frame = step_barriers(turned)
    row = frame[(frame["model"] == "free") & (frame["position"] == 1)].iloc[0]
    back = next(p.value for p in turned if (p.model, p.quantity) == ("free", "barrier back"))
    assert row["top"] == pytest.approx(ROUTES["free"][1] + back)
    lost = [replace(p, keys=("b", "x", "y")) if p.quantity.startswith("barrier") else p
            for p in _everything()]  # fmt: skip
    assert step_barriers(lost)["top"].isna().all()


def test_the_deciding_step_is_named_by_barrier_or_else_by_energy():
    words = deciding_steps(_everything())
    assert words[0] == "free: barrier 1.30 eV at CF3SO2N + CF3SO2 -> CF3 + SO2"
    bare = [p for p in _everything() if p.quantity != "rate-determining barrier"]
    assert deciding_steps(bare)[0].endswith("(no barriers)")


def test_hops_are_drawn_without_the_bands_that_break_bonds(filled, tmp_path):
    draw_figure(filled, "5f", **STUDY, folder=tmp_path)
    frame = pd.read_csv(tmp_path / "5f.csv")
    assert set(frame["model"]) == {"Li(001)", "MOF@CoPc/Li(001)"}


def test_preparation_is_what_binding_has_beyond_interaction():
    row = complex_frame(_complexes()).iloc[0]
    assert row["preparation"] == pytest.approx(0.3)
    assert complex_frame(_complexes())["interaction"].notna().sum() == 1


def test_net_charges_follow_the_route_and_have_the_sign_of_charges():
    frame = fragment_frame(_everything())
    part = frame[(frame["model"] == COPC) & (frame["fragment"] == "TFSI-")]
    assert list(part["state"]) == list(STATES[:3])
    assert list(part["net"]) == pytest.approx([-1.2, -1.5, -1.8])
    assert BY_NEAREST not in set(frame["scheme"])


def test_what_moves_in_a_box_is_shared_out_by_nearest_atom(difference, full_run, make_run):
    gains = nearest_gains(difference)
    assert gains == pytest.approx({COPC: -0.2, "TFSI-": 0.2}, abs=5e-3)
    assert sum(gains.values()) == pytest.approx(0.0, abs=1e-6)
    moved = replace(difference, coarse=np.roll(difference.coarse, 40, axis=0))
    structure = CELL.copy()
    structure.translate_sites(range(4), [0.5, 0, 0])
    assert nearest_gains(replace(moved, structure=structure)) == pytest.approx(gains, abs=1e-6)
    run = make_run(CELL, site_charges=replace(full_run.site_charges, net=np.zeros(4)))
    request = TransferRequest(model=BOTH, label="l", key="r", fragments=FRAGMENTS, show=(COPC,))
    found = {v.reference: v.value for v in transfer_values(run, request, difference)}
    assert found[BY_NEAREST] == pytest.approx(-0.2, abs=5e-3)


def test_the_slice_of_a_box_says_who_gains(filled, tmp_path):
    draw_figure(filled, "2c", **STUDY, folder=tmp_path)
    assert "CoPc loses 0.200 e" in (tmp_path / "2c.svg").read_text()


def test_orderings_stand_in_words_beside_the_printed_ones():
    frame = compare(_everything(), DOI)
    rows = frame[frame["quantity"] == "rate-determining barrier, on MOF@CoPc minus on its parts"]
    assert list(rows["ordering"]) == ["MOF@CoPc below CoPc by 0.2 eV"]
    rows = frame[frame["quantity"] == "CoPc binding energy, to the MOF minus to CoPc"]
    assert list(rows["ordering"]) == ["NH2-MIL-101(Fe) above CoPc by 0.5 eV"]
    lengths = frame[frame["quantity"] == "C-F bond 1"]
    assert list(lengths["computed"]) == pytest.approx([1.343, 1.363])
    assert list(lengths["difference"]) == pytest.approx([0.0, 0.0], abs=1e-9)


def test_every_printed_value_has_its_quote_and_doubts_and_a_drawing():
    paper = papers()[DOI]
    assert all(item.quote and item.doubts for item in paper.values)
    assert {item.value for item in paper.values if item.unit == "e"} == {0.83}
    assert printed_orderings("lithium-sei", "Fig. 2d") == ()
    assert printed_orderings("lithium-sei", "Fig. 5f") == ("MOF@CoPc/Li below bare Li",)
