"""Bands on a ridge: small forces, but a top that falls faster from step to step.

Images that start on a line of symmetry lie on a ridge, where forces across the path are nearly
nothing: a limit of forces alone takes its height for that of the saddle, which lies aside.
"""

from collections.abc import Sequence

LEAST = 0.002  # eV in a step; less is within what the self-consistent field leaves open


def slides(energies: Sequence[float]) -> bool:
    """Tell whether the top of a band falls in its last two steps, and faster in the last.

    Parameters
    ----------
    energies
        Of the highest image after each step, eV.

    Examples
    --------
    >>> slides([0.30, 0.29, 0.27]), slides([0.30, 0.28, 0.27]), slides([0.30, 0.31, 0.29])
    (True, False, False)
    """
    if len(energies) < 3:
        return False
    before, last = (energies[i - 1] - energies[i] for i in (-2, -1))
    return last > LEAST and last > before > 0


def ridge_notes(energies: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """Return a note on a finished band whose top slides.

    Parameters
    ----------
    energies
        F, whose slopes the forces are, of each image between the ends after each of its steps, eV.
    """
    top = max(range(len(energies)), key=lambda i: energies[i][-1])
    if not slides(energies[top]):
        return ()
    fall = 1000 * (energies[top][-2] - energies[top][-1])
    return (
        f"image {top + 1:02d}, the highest, fell by {fall:.1f} meV in its last step, more than "
        "before: it slides off a ridge, and the saddle lies lower. Go on with a smaller EDIFFG",
    )


def is_ridge_note(note: str) -> bool:
    """Tell whether `ridge_notes` made a note."""
    return "it slides off a ridge" in note
