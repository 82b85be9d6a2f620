"""Work of adhesion of two layers, and what straining each of them costs."""

from typing import Literal

import numpy as np

from ..results.energies import PER_AREA
from ..results.requests import EnergyRequest, LegRequest, MismatchRequest
from ..structures.models import Model, isolate_layer, unstrain_layer
from .calculations import Calculation
from .planner import Planner

_STRAINED = 1e-6  # principal strain above which a layer counts as strained
Layer = Literal["bottom", "top"]
LAYERS: tuple[Layer, ...] = ("bottom", "top")


def add_adhesion(planner: Planner, model: Model, host: Calculation) -> None:
    """Add each layer alone, strained as in the host and not, and the energies per area.

    The work of adhesion is against the layers relaxed alone at the same strain, so that strain
    energy does not leak into it; it is positive where the layers hold together.
    """
    alone = {
        layer: planner.add(
            model.name, f"{model.name}/{name}/relax", "relax", isolate_layer(model, layer)
        )
        for layer, name in zip(LAYERS, _names(model), strict=True)
    }
    legs = [LegRequest(role=model.name, factor=-1.0, key=host.key)]
    legs += [
        LegRequest(role=name, factor=1.0, key=alone[layer].key)
        for layer, name in zip(LAYERS, _names(model), strict=True)
    ]
    planner.requests.append(
        _per_area(
            model,
            label=f"{model.bottom_name} | {model.top_name}",
            quantity="work of adhesion",
            reference="layers relaxed alone at the same strain",
            legs=tuple(legs),
            equation=f"{model.name} -> {' + '.join(_names(model))}",
        )
    )
    planner.requests.append(_mismatch(model))
    strains = {"bottom": model.bottom_strain, "top": model.top_strain}
    for layer, name in zip(LAYERS, _names(model), strict=True):
        if abs(strains[layer].largest) > _STRAINED:
            _add_strain_energy(planner, model, layer, name, alone[layer])


def _add_strain_energy(
    planner: Planner,
    model: Model,
    layer: Literal["bottom", "top"],
    name: str,
    strained: Calculation,
) -> None:
    """Add a layer in its own lattice, and what pulling it onto the common cell costs."""
    own = planner.add(
        model.name, f"{model.name}/{name}-unstrained/relax", "relax", unstrain_layer(model, layer)
    )
    planner.requests.append(
        _per_area(
            model,
            label=name,
            quantity="strain energy",
            reference="the same layer in its own lattice",
            legs=(
                LegRequest(role=f"{name} strained", factor=1.0, key=strained.key),
                LegRequest(role=f"{name} in its own lattice", factor=-1.0, key=own.key),
            ),
            equation=f"{name} -> {name} strained",
        )
    )


def _mismatch(model: Model) -> MismatchRequest:
    """Return how far the film is off the common cell, by every definition in use."""
    strain = model.top_strain
    own, common = model.own_cells["top"], model.structure.lattice.matrix[:2, :2]
    lengths = np.linalg.norm(common, axis=1) / np.linalg.norm(own, axis=1) - 1
    return MismatchRequest(
        model=model.name,
        label=f"{model.top_name} on {model.bottom_name}",
        percent={
            "area": round(100 * strain.area, 4),
            "larger of the two lengths": round(100 * float(max(lengths, key=abs)), 4),
            "largest principal strain": round(100 * strain.largest, 4),
            "von Mises": round(100 * strain.von_mises, 4),
            "von Mises, Green-Lagrange": round(100 * strain.von_mises_green_lagrange, 4),
        },
    )


def _names(model: Model) -> tuple[str, str]:
    """Return the names of the two layers."""
    return model.bottom_name, model.top_name


def _per_area(model: Model, *, legs: tuple[LegRequest, ...], **about: str) -> EnergyRequest:
    """Return an energy per area of the cell."""
    return EnergyRequest(
        model=model.name, legs=legs, per=model.area / 100, per_what=PER_AREA, **about
    )
