"""Complexes of lithium-sei in the engine: electrons, charge and spin of 72 to 120 atoms."""

import json

import numpy as np
import pytest

from heterofire.launchers.engines.run import run_engine
from heterofire.results.parsing import parse_run
from heterofire.structures.errors import InputError
from heterofire.structures.molecules import build_species
from heterofire.structures.species import Species, box_species
from heterofire.workflows.inputs import make_inputs, write_inputs

GAP = 3.2  # Angstrom between the parts along z


def parts(*names):
    """Return the species; one that is not there yet skips the test."""
    try:
        return [build_species(name) for name in names]
    except (InputError, KeyError) as error:
        pytest.skip(f"not in structures/ yet: {error}")


def flattened(species):
    """Return positions with the thinnest extent along z."""
    positions = species.positions - species.positions.mean(axis=0)
    _, _, axes = np.linalg.svd(positions, full_matrices=True)
    return positions @ axes.T


def stacked(name, multiplicity, *species):
    """Return the species on top of each other as one complex."""
    placed, moments, fragments, top, first = [], [], {}, 0.0, 0
    for part in species:
        positions = flattened(part)
        positions[:, 2] += top - positions[:, 2].min()
        top = positions[:, 2].max() + GAP
        placed.append(positions)
        moments += part.moments or [0.0] * len(part.symbols)
        fragments[part.name] = tuple(range(first, first + len(part.symbols)))
        first += len(part.symbols)
    return Species(
        name=name,
        symbols=tuple(symbol for part in species for symbol in part.symbols),
        positions=np.vstack(placed),
        charge=sum(part.charge for part in species),
        multiplicity=multiplicity,
        moments=tuple(moments),
        fragments=fragments,
    )


def compute(complex_, folder):
    boxed = box_species(complex_)
    inputs = make_inputs(
        boxed.structure,
        task="static",
        profile="quick",
        is_molecule=True,
        charge=complex_.charge,
        spin=boxed.moments if any(boxed.moments) else None,
    )
    write_inputs(inputs, boxed.structure, folder)
    assert run_engine("xtb", folder) == 0
    return parse_run(folder), json.loads((folder / "engine.json").read_text()), boxed


def test_copc_with_tfsi_has_its_charge_and_one_unpaired_electron(tmp_path):
    complex_ = stacked("CoPc+TFSI-", 2, *parts("CoPc", "TFSI-"))
    run, _, boxed = compute(complex_, tmp_path)
    assert len(run.structure) == 72
    assert run.charge == pytest.approx(-1.0, abs=1e-4)
    assert run.magnetization == pytest.approx(1.0, abs=1e-4)
    assert run.vacuum_level == 0.0
    charge = run.site_charges.net[list(boxed.fragments["TFSI-"])].sum()
    assert charge == pytest.approx(-1.0, abs=0.35)


def test_mof_with_copc_and_tfsi_has_its_charge_and_spin(tmp_path):
    complex_ = stacked("MOF+CoPc+TFSI-", 7, *parts("NH2-MIL-101(Fe)", "CoPc", "TFSI-"))
    run, report, _ = compute(complex_, tmp_path)
    assert len(run.structure) == 120
    assert run.charge == pytest.approx(-1.0, abs=1e-4)
    assert run.magnetization == pytest.approx(6.0, abs=1e-4)  # 5 5 -5 and 1 on Co
    iron = [i for i, site in enumerate(run.structure) if site.specie.symbol == "Fe"]
    assert min(run.moments[iron]) < -0.5 < 0.5 < max(run.moments[iron])
    assert report["spin"]["lost"] == []
