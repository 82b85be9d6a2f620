"""Nudged elastic band over image folders: evaluate, move, write."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from .band_state import Band
from .drivers import Outcome, is_converged
from .elastic import Pull, describe
from .end_memory import EndMemory
from .image_potentials import SharedPotential, Sharing
from .poscars import Poscar
from .stopping import Stopper
from .tags import Settings
from .writing import CONVERGED, STOPPED, RunFiles


def run_band(
    sharing: Sharing,
    images: Sequence[Poscar],
    settings: Settings,
    files: Sequence[RunFiles],
    stopper: Stopper,
    memory: EndMemory,
) -> Outcome:
    """Relax a band between two fixed ends and write each image in its folder.

    VASP never computes the ends; the tangents need their energies, so they are evaluated
    once here, in the first part of a band, and written where the folder has no OUTCAR yet.

    Parameters
    ----------
    sharing
        Who computes the images.
    images
        IMAGES + 2 geometries with the same atoms in the same order, followed through the cell
        walls (`unwrapped`).
    settings
        NSW, EDIFFG, SPRING and LCLIMB.
    files
        Output of each image.
    stopper
        Asked after each step of the band.
    memory
        What an earlier part found at the ends.
    """
    band = Band(sharing, images, settings, [file.folder for file in files])
    with ExitStack() as stack:
        for file in files[1:-1]:
            stack.enter_context(file)
        known = memory.recall() if all(files[end].has_outcar for end in (0, -1)) else None
        band.ends = known or _evaluate_ends(band, files, memory)
        return _relax(band, settings, files, stopper)


def _evaluate_ends(band: Band, files: Sequence[RunFiles], memory: EndMemory) -> tuple[float, float]:
    """Return F of both ends in eV, written in their folders and remembered."""
    ends = (0, len(files) - 1)
    found = band.evaluate_ends()
    for end in ends:
        if not files[end].has_outcar:
            with files[end] as file:
                file.step(found[end], band.positions(end))
                file.finish()
    energies = found[ends[0]].free_energy, found[ends[1]].free_energy
    memory.remember(*energies)
    return energies


def _relax(band: Band, settings: Settings, files: Sequence[RunFiles], stopper: Stopper) -> Outcome:
    """Move the images until the band is at rest, step by step."""
    status, remark, force, previous = "unconverged", "", 0.0, None
    n_steps = 1 if settings.is_static else settings.nsw
    for step in range(1, n_steps + 1):
        band.evaluate()
        pulls = band.pulls()
        force = band.largest_force(pulls)
        _write(step, band, pulls, force, files)
        top, aside = max(band.energies), None
        if not settings.is_static and is_converged(settings.ediffg, force, top, previous):
            aside = band.lower_aside(pulls)
            if aside is None:
                status, remark = "converged", CONVERGED
                band.forget()
                break
            files[aside.image].remarks.append(f"step {step}: {aside}")
        if stop := stopper.check():
            status, remark = "stopped", STOPPED[stop]
            break
        previous = top
        if step < n_steps:
            band.move(pulls, force) if aside is None else band.move_aside(aside)
    for i, file in enumerate(files[1:-1], start=1):
        file.finish(remark, SharedPotential(band.sharing, i))
    n_evaluations = band.n_apart + sum(file.n_steps for file in files[1:-1])
    return Outcome(
        status="static" if settings.is_static else status,
        n_steps=files[1].n_steps,
        n_evaluations=n_evaluations,
        largest_force=force,
    )


def _write(
    step: int, band: Band, pulls: Sequence[Pull], force: float, files: Sequence[RunFiles]
) -> None:
    """Write a step of each image, and print a line: energies relative to the first end."""
    for i, pull in enumerate(pulls, start=1):
        files[i].step(band.evaluation(i), band.positions(i), describe(pull))
    energies = np.array(band.energies) - band.energies[0]
    sys.stdout.write(
        f"{step:4d} E-E(00)=" + "".join(f"{e:9.4f}" for e in energies) + f"  fmax= {force:.4f}\n"
    )
    sys.stdout.flush()
