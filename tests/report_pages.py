"""A small study in a database with all that a report can hold, for the tests of the report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from pymatgen.core import Lattice, Structure

from heterofire.results.barriers import fit_barrier
from heterofire.results.records import Label, Leg, Property
from heterofire.results.report import ReportStudy
from heterofire.results.store import ResultStore

STUDY = {"study": "potassium-anode", "profile": "quick", "engine": "xtb"}
WANTED = ReportStudy(
    name="potassium-anode",
    profile="quick",
    engine="xtb",
    title="K in a stack",
    paper="10.1007/s40820-025-01992-x",
    figures=("5a", "5b", "5c", "charges"),
)
HOSTILE = '</script><script>document.title="broken"</script><img src=x onerror=alert(1)>'
HOSTS = {"MoS2@NC": "S", "MoSSe@NC": "Se"}


def _stack(top: str, ion: float | None = None) -> Structure:
    """Return a small film over a carbon sheet, with the ion at a fraction of its way."""
    lattice = Lattice.hexagonal(6.3, 22.0)
    symbols, sites = ["Mo", "S", top], [[1 / 3, 2 / 3, 0.5], [0, 0, 0.43], [0, 0, 0.57]]
    symbols += ["C"] * 6
    sites += [[i / 3, (i % 3) / 3, 0.25] for i in range(6)]
    if ion is not None:
        symbols, sites = [*symbols, "K"], [*sites, [ion, 0.5, 0.34]]
    return Structure(lattice, symbols, sites)


def label_of(model: str, task: str, name: str) -> Label:
    return Label(study="potassium-anode", profile="quick", model=model, task=task, name=name)


def _property(model: str, quantity: str, label: str, value: float | None, **changes) -> Property:
    values = {"method": "GFN1-xTB, 1000 K", "reference": "", "unit": "eV",
              "energy_kind": "E0", "status": "ok"}  # fmt: skip
    values |= {"model": model, "quantity": quantity, "label": label, "value": value}
    return Property(**STUDY, **(values | changes))


def fill(store: ResultStore, make_run, make_band, make_dos) -> None:
    """Store hosts, hops, an unconverged run, a corrected one, and what was derived."""
    items = []
    for number, (model, top) in enumerate(HOSTS.items()):
        host = make_run(_stack(top), e0=-100.0 - number)
        host = replace(host, dos=make_dos([-3.0, 1.0], n_atoms=9), folder=f"runs/{model}_relax")
        store.add_run(f"host{number}", label_of(model, "relax", f"{model}/relax"), host)
        images = [_stack(top, ion) for ion in (0.1, 0.3, 0.5)]
        barrier = fit_barrier([0, 1, 2.5], [0.0, 0.4 + number, 0.1])
        band = make_band(images[0], [0.0, 0.4 + number, 0.1])
        band = replace(
            band,
            images=tuple(
                replace(image, structure=structure)
                for image, structure in zip(band.images, images, strict=True)
            ),
            path=np.array([0, 1, 2.5]),
        )
        store.add_band(f"band{number}", label_of(model, "neb", f"{model}/K-hop/neb"), band)
        legs = (
            Leg(role="host with K", factor=1.0, key=f"site{number}", energy=-103.0, charge=0.0,
                formula="Mo1 S2 C6 K1"),
            Leg(role="host", factor=-1.0, key=f"host{number}", energy=-100.0, charge=0.0,
                formula="Mo1 S2 C6"),
        )  # fmt: skip
        site = make_run(images[0], e0=-103.0)
        if number:
            site = replace(site, status="unconverged", reasons=("ionic: all of NSW used",))
        else:
            site = replace(site, corrections=("Handler: brmix -> INCAR ALGO=All",))
        site = replace(site, folder=f"runs/{model}_K", notes=("GGA: stands in", HOSTILE))
        store.add_run(f"site{number}", label_of(model, "relax", f"{model}/K-gallery-1/relax"), site)
        status = "unconverged" if number else "ok"
        items += [
            _property(model, "DOS at E_F", "host", 3.0, unit="states/eV/cell",
                      keys=(f"host{number}",)),
            _property(model, "K binding energy", "gallery-1", -5.5 + number, status=status,
                      reference="K atom", legs=legs, keys=(f"site{number}", f"host{number}"),
                      notes=(f"site{number} is the lowest of 2", HOSTILE)),
            _property(model, "barrier forward", "gallery", barrier.forward,
                      keys=(f"band{number}",), detail=barrier.detail()),
            _property(model, "barrier back", "gallery", barrier.back, notes=(HOSTILE,),
                      keys=(f"band{number}",), detail=barrier.detail()),
        ]  # fmt: skip
    items.append(_property("MoS2@NC", "band gap", "host", None, status="missing",
                           notes=("no DOS was read",)))  # fmt: skip
    store.replace_properties(**STUDY, properties=items)


def page(folder: Path, make_run, make_band, make_dos) -> Path:
    """Return the page of the small study."""
    from heterofire.results.report import collect_report
    from heterofire.results.report_page import render_report

    with ResultStore.open(folder / "results.db") as store:
        fill(store, make_run, make_band, make_dos)
        path = folder / "report.html"
        path.write_text(render_report(collect_report(store, WANTED)), encoding="utf-8")
    return path
