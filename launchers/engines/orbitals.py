"""The Slater functions of GFN-xTB: which shells an element has, and their values in space.

tblite integrates over Gaussian expansions of these functions; the functions themselves reproduce
its overlaps to 1e-3 and its numbers of electrons to 1e-3 per atom (tests, element by element).
"""

from dataclasses import dataclass
from functools import cache
from math import factorial, sqrt
from typing import Any

import numpy as np

_L = {"s": 0, "p": 1, "d": 2}
_TAIL = 1e-6  # Bohr^-3/2: a function is followed out to where it has fallen below


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A radial function, a sum of c r^(n-1) exp(-zeta r), and its angular momentum."""

    ell: int  # angular momentum
    n: tuple[int, ...]
    zeta: tuple[float, ...]  # 1/Bohr
    c: tuple[float, ...]
    reach: float  # Bohr; beyond, the radial function is negligible


def slater_norm(n: int, zeta: float) -> float:
    """Return c that gives c r^(n-1) exp(-zeta r) the norm 1 over r^2 dr.

    Examples
    --------
    >>> round(slater_norm(1, 1.0), 12)
    2.0
    """
    return float((2 * zeta) ** (n + 0.5) / sqrt(factorial(2 * n)))


@cache
def parameters(method: str) -> dict[str, Any]:
    """Return the element parameters of GFN1-xTB or GFN2-xTB as tblite has them."""
    from tblite import library

    values, table = library.new_param(), library.new_table()
    export = library.export_gfn1_param if method == "GFN1-xTB" else library.export_gfn2_param
    export(values)
    library.dump_param(values, table)
    elements: dict[str, Any] = library.table_to_dict(table)["element"]
    return elements


@cache
def element_shells(symbol: str, method: str) -> tuple[Shell, ...]:
    """Return an element's shells in tblite's order.

    A second shell of the same angular momentum (2s of H in GFN1-xTB) is made orthogonal to the
    first one, as tblite does.

    Examples
    --------
    >>> [(shell.n, shell.ell) for shell in element_shells("Mo", "GFN1-xTB")]
    [((4,), 2), ((5,), 0), ((5,), 1)]
    >>> element_shells("H", "GFN1-xTB")[1].n
    (2, 1)
    """
    entry = parameters(method)[symbol]
    shells: list[Shell] = []
    for name, zeta in zip(entry["shells"], entry["slater"], strict=True):
        n, ell = int(name[0]), _L[name[1]]
        inner = next((shell for shell in shells if shell.ell == ell), None)
        shells.append(_shell(n, ell, float(zeta), inner))
    return tuple(shells)


def _shell(n: int, ell: int, zeta: float, inner: Shell | None) -> Shell:
    """Return a Slater function of norm 1, orthogonal to an inner one if there is one."""
    c = slater_norm(n, zeta)
    if inner is None:
        return Shell(ell=ell, n=(n,), zeta=(zeta,), c=(c,), reach=_reach((n,), (zeta,), (c,)))
    m, other = inner.n[0], inner.zeta[0]
    overlap = c * inner.c[0] * factorial(n + m) / (zeta + other) ** (n + m + 1)
    scale = 1 / sqrt(1 - overlap**2)
    both = ((n, m), (zeta, other), (c * scale, -overlap * inner.c[0] * scale))
    return Shell(ell=ell, n=both[0], zeta=both[1], c=both[2], reach=_reach(*both))


def _reach(n: tuple[int, ...], zeta: tuple[float, ...], c: tuple[float, ...]) -> float:
    """Return where the radial function has fallen below the tail, in Bohr."""
    r = np.linspace(0.0, 80.0, 8001)
    values = sum(a * r ** (m - 1) * np.exp(-z * r) for m, z, a in zip(n, zeta, c, strict=True))
    return float(r[np.flatnonzero(np.abs(values) > _TAIL)[-1]])
