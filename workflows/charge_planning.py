"""Charge runs of a study: at hosts, sites and images, and the differences between them."""

from pymatgen.core import Structure

from ..results.requests import ChargeRequest, ElfRequest, TransferRequest
from ..structures.edits import unheld
from ..structures.models import Model
from .calculations import Calculation
from .planner import Planner, Start
from .subtractions import Subtraction


def add_host_charges(planner: Planner, model: Model, host: Calculation) -> None:
    """Add the charges of a host without the ion, its density difference and its ELF."""
    charges = planner.study.charges
    whole = _charge_run(planner, model, "charge", host)
    difference = None
    if charges and charges.differences:
        difference = _add_difference(planner, model, host, whole)
    planner.requests.append(
        TransferRequest(
            model=model.name,
            label="without ion",
            key=whole.key,
            fragments=_layers(model),
            show=(model.bottom_name,),
            difference=difference and difference.key,
        )
    )
    if charges and charges.elf:
        elf = planner.add(
            model.name,
            f"{model.name}/elf",
            "elf",
            model.structure,
            start=Start(parents={"structure": host.key}),
        )
        planner.requests.append(
            ElfRequest(
                model=model.name,
                label="without ion",
                key=elf.key,
                bottom=model.bottom,
                top=model.top,
            )
        )


def add_site_charges(planner: Planner, model: Model, with_ion: Calculation, site: str) -> None:
    """Add the charge of the ion at a site, and what the layers gain from it."""
    ion = planner.study.ion
    run = _charge_run(planner, model, f"{ion}-{site}/charge", with_ion)
    planner.requests += [
        ChargeRequest(model=model.name, label=site, key=run.key, element=ion),
        TransferRequest(
            model=model.name,
            label=site,
            key=run.key,
            fragments=_layers(model) | {ion: (len(with_ion.structure) - 1,)},
            show=(model.bottom_name, model.top_name),
        ),
    ]


def add_image_charges(planner: Planner, model: Model, hop: str, band: Calculation) -> None:
    """Add the charge of the ion at both end points and every image of a hop."""
    ion = planner.study.ion
    for image, start in enumerate(_image_starts(band)):
        name = f"{model.name}/{ion}-hop-{hop}/charge-{image:02d}"
        run = planner.add(model.name, name, "charge", unheld(band.structure), start=start)
        planner.requests.append(
            ChargeRequest(
                model=model.name,
                label=f"{hop} image {image}",
                key=run.key,
                element=ion,
                band=band.key,
                image=image,
            )
        )


def _image_starts(band: Calculation) -> list[Start]:
    """Return where runs at each image of a band start from, both end points included."""
    inner = range(1, band.n_images + 1)
    initial, final = (Start(parents={"structure": band.parents[x]}) for x in ("initial", "final"))
    return [initial, *(Start(parents={"band": band.key}, image=i) for i in inner), final]


def _add_difference(
    planner: Planner, model: Model, host: Calculation, whole: Calculation
) -> Subtraction:
    """Add each layer alone, frozen as in the relaxed host, and their difference from it."""
    fragments = {}
    for name, atoms in _layers(model).items():
        part = Structure.from_sites([model.structure[i] for i in atoms])
        run = planner.add(
            model.name,
            f"{model.name}/{name}-alone/charge",
            "charge",
            part,
            start=Start(parents={"structure": host.key}, atoms=atoms),
            **planner.final_mesh(),
        )
        fragments[name] = run.key
    return planner.subtract(model.name, whole, fragments)


def _charge_run(planner: Planner, model: Model, name: str, relaxed: Calculation) -> Calculation:
    """Add a charge run at the geometry of a relaxation, on the mesh of energies."""
    return planner.add(
        model.name,
        f"{model.name}/{name}",
        "charge",
        relaxed.structure,
        start=Start(parents={"structure": relaxed.key}),
        **planner.final_mesh(),
    )


def _layers(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the atoms of each layer by its name."""
    return {model.bottom_name: model.bottom, model.top_name: model.top}
