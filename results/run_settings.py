"""What must agree between two runs, told from the parameters their outputs name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pymatgen.core import Lattice

from ..structures.errors import RunError
from .records import Settings

_BOLTZMANN = 8.617333262e-5  # eV/K, CODATA 2018
# VASP wiki, tags GGA and IVDW.
_GGA = {
    "PE": "PBE",
    "PS": "PBEsol",
    "RP": "RPBE",
    "RE": "revPBE",
    "91": "PW91",
    "AM": "AM05",
    "CA": "LDA",
    "PZ": "LDA",
}
_POTCAR_FUNCTIONAL = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW_LDA": "LDA", "PAW": "LDA"}
_DISPERSION = {
    0: "none",
    1: "D2",
    10: "D2",
    11: "D3(zero)",
    12: "D3(BJ)",
    13: "D4",
    2: "TS",
    20: "TS",
    21: "TS(HI)",
    202: "MBD",
    4: "dDsC",
}
_SMEARING = {
    -1: "Fermi",
    -2: "fixed occupations",
    -3: "fixed occupations",
    -4: "tetrahedron without Bloechl",
    -5: "tetrahedron",
    -14: "tetrahedron without Bloechl, Fermi",
    -15: "tetrahedron, Fermi",
    0: "Gaussian",
}


def vasp_settings(
    parameters: Mapping[str, Any],
    *,
    titels: Sequence[str],
    kpoint_spacing: float,
    source: str = "the output",
) -> Settings:
    """Return the settings of a VASP run.

    Parameters
    ----------
    parameters
        VASP's own values of GGA, METAGGA, IVDW, ENMAX, ISMEAR, SIGMA, LDAU ...; ENMAX in eV.
    titels
        TITEL of each POTCAR in the order of POSCAR, "PAW_PBE K_sv 06Sep2000".
    kpoint_spacing
        Largest distance of neighbouring k-points, 1/Angstrom.
    source
        The file the parameters are from, for the error.

    Returns
    -------
    Settings
        With engine "vasp".

    Raises
    ------
    RunError
        The cutoff of the plane waves is not among the parameters.

    Examples
    --------
    >>> tags = {"GGA": "PE", "IVDW": 11, "ENMAX": 400.0, "ISMEAR": 0, "SIGMA": 0.05}
    >>> vasp_settings(tags, titels=["PAW_PBE S 06Sep2000"], kpoint_spacing=0.5).method
    'PBE-D3(zero), 400 eV'
    """
    functional, dispersion = _functional(parameters, titels), _dispersion(parameters)
    hubbard = _hubbard(parameters, titels)
    if "ENMAX" not in parameters:
        raise RunError(
            f"{source}: ENCUT is missing, without which its energy can be compared with no other. "
            "Fetch the whole file, or run it again."
        )
    cutoff = float(parameters["ENMAX"])
    name = (
        functional + ("" if dispersion == "none" else f"-{dispersion}") + ("+U" if hubbard else "")
    )
    ismear = int(parameters.get("ISMEAR", 1))
    return Settings(
        engine="vasp",
        method=f"{name}, {cutoff:g} eV",
        functional=functional,
        cutoff=cutoff,
        potcars=tuple(sorted(titels)),
        dispersion=dispersion,
        hubbard_u=hubbard,
        smearing=_SMEARING.get(ismear, f"Methfessel-Paxton {ismear}"),
        sigma=float(parameters.get("SIGMA", 0.2)),
        kpoint_spacing=kpoint_spacing,
    )


def merge_parameters(incar: Mapping[str, Any], used: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in force: what the outputs print, and INCAR where they do not.

    Parameters
    ----------
    incar
        The tags that were asked for.
    used
        The tags as VASP's outputs list them, defaults included. METAGGA and IVDW are not among
        them, and LDAUU and LDAUJ come cut to one value.

    Returns
    -------
    dict
        One value for each tag.

    Examples
    --------
    >>> merge_parameters({"IVDW": 11, "SIGMA": 0.1}, {"SIGMA": 0.05})
    {'IVDW': 11, 'SIGMA': 0.05}
    """
    kept = {tag: incar[tag] for tag in ("METAGGA", "IVDW", "LDAUU", "LDAUJ") if tag in incar}
    return {**incar, **used, **kept}


def engine_settings(
    report: Mapping[str, Any], *, titels: Sequence[str], kpoint_spacing: float
) -> Settings:
    """Return the settings of a run of one of heterofire's own engines.

    Parameters
    ----------
    report
        The engine's ``engine.json``: engine, method, temperature_K (SIGMA / k), and smearing where
        that is not Fermi's.
    titels
        POTCAR symbols the valences were taken from, or that name the elements.
    kpoint_spacing
        As for VASP, 1/Angstrom.

    Returns
    -------
    Settings
        Dispersion is what the method's name says, "PBE-D3(zero)"; in xTB it is built in.

    Examples
    --------
    >>> report = {"engine": "xtb", "method": "GFN1-xTB", "temperature_K": 1000.0}
    >>> engine_settings(report, titels=["K_sv"], kpoint_spacing=0.7).method
    'GFN1-xTB, 1000 K'
    >>> report = {"engine": "gpaw", "method": "PBE-D3(zero), LCAO dzp", "temperature_K": 1160.5}
    >>> found = engine_settings(report, titels=["K_sv"], kpoint_spacing=0.7)
    >>> found.functional, found.dispersion
    ('PBE', 'D3(zero)')
    """
    method, smearing = str(report["method"]), str(report.get("smearing", "Fermi"))
    temperature = float(report["temperature_K"])
    sigma = _BOLTZMANN * temperature
    suffix = f"{temperature:.0f} K" if smearing == "Fermi" else f"{smearing} {sigma:.4g} eV"
    functional, dash, dispersion = method.split(",", maxsplit=1)[0].partition("-D")
    named = f"D{dispersion}" if dash else "none"
    said = report.get("dispersion") or ("built in" if report["engine"] == "xtb" else named)
    return Settings(
        engine=str(report["engine"]),
        method=method if suffix in method else f"{method}, {suffix}",
        functional=functional,
        cutoff=report.get("cutoff"),
        potcars=tuple(sorted(titels)),
        dispersion=str(said),
        hubbard_u=(),
        smearing=smearing,
        sigma=round(sigma, 8),
        kpoint_spacing=kpoint_spacing,
    )


def mesh_spacing(lattice: Lattice, divisions: Sequence[int]) -> float:
    """Return the largest distance of neighbouring k-points of a regular mesh.

    Parameters
    ----------
    lattice
        The direct lattice.
    divisions
        Points along each of the three reciprocal vectors.

    Returns
    -------
    float
        1/Angstrom, 2 pi included.

    Examples
    --------
    >>> round(mesh_spacing(Lattice.cubic(3.0), (4, 4, 2)), 4)
    1.0472
    """
    return float(max(np.array(lattice.reciprocal_lattice.abc) / np.array(divisions, dtype=float)))


def list_spacing(lattice: Lattice, weights: Sequence[float]) -> float:
    """Return the mean distance of k-points known from a list of irreducible ones.

    Parameters
    ----------
    lattice
        The direct lattice.
    weights
        Of the irreducible points; the lightest one is a point of multiplicity one or nearly so.

    Returns
    -------
    float
        1/Angstrom, 2 pi included: an estimate, good enough to tell two densities apart.

    Examples
    --------
    >>> round(list_spacing(Lattice.cubic(3.0), [1 / 8, 3 / 8, 3 / 8, 1 / 8]), 4)
    1.0472
    """
    lightest = min(w for w in weights if w > 0) / sum(weights)
    return float((lattice.reciprocal_lattice.volume * lightest) ** (1 / 3))


def _functional(parameters: Mapping[str, Any], titels: Sequence[str]) -> str:
    """Return the name of the exchange-correlation functional."""
    code = str(parameters.get("GGA", "--")).strip().upper()
    if code in {"--", "", "NONE"}:
        kinds = {_POTCAR_FUNCTIONAL.get(t.split()[0], t.split()[0]) for t in titels if " " in t}
        gga = kinds.pop() if len(kinds) == 1 else "POTCAR's"
    else:
        gga = _GGA.get(code, f"GGA={code}")
    meta = str(parameters.get("METAGGA", "--")).strip().upper()
    base = gga if meta in {"--", "", "NONE", "F", "FALSE"} else meta
    return _hybrid(parameters, base) if parameters.get("LHFCALC") else base


def _hybrid(parameters: Mapping[str, Any], base: str) -> str:
    """Return the usual name of a hybrid, or its two numbers."""
    exchange, screening = float(parameters.get("AEXX", 0.25)), float(parameters.get("HFSCREEN", 0))
    if exchange == 1.0:
        return "HF"
    if base == "PBE" and exchange == 0.25:
        name = {0.2: "HSE06", 0.207: "HSE06", 0.3: "HSE03", 0.0: "PBE0"}.get(round(screening, 3))
        if name:
            return name
    return f"{base} hybrid (AEXX {exchange:g}, HFSCREEN {screening:g})"


def _dispersion(parameters: Mapping[str, Any]) -> str:
    """Return the name of the dispersion correction."""
    if parameters.get("LUSE_VDW"):
        return "nonlocal vdW"
    code = int(parameters.get("IVDW") or 0)
    return _DISPERSION.get(code, f"IVDW={code}")


def _hubbard(parameters: Mapping[str, Any], titels: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return U - J of each element that has one."""
    if not parameters.get("LDAU"):
        return ()
    u_values = list(parameters.get("LDAUU") or [])
    j_values = list(parameters.get("LDAUJ") or [0.0] * len(u_values))
    if len(u_values) != len(titels) or len(j_values) != len(titels):
        raise RunError(
            f"LDAU is on with {len(u_values)} LDAUU and {len(j_values)} LDAUJ values for "
            f"{len(titels)} species. Give one value for each species in INCAR and run again."
        )
    elements = [title.split()[1].split("_")[0] if " " in title else title for title in titels]
    pairs = {
        (element, round(float(u) - float(j), 6))
        for element, u, j in zip(elements, u_values, j_values, strict=True)
        if float(u) != float(j)
    }
    return tuple(sorted(pairs))
