"""INCAR tags: which ones an engine honours, notes or refuses, and their values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ...structures.errors import EngineError, InputError

Number = TypeVar("Number", int, float)

VIBRATIONS = 5  # IBRION
DISPLACEMENT = 0.015  # Angstrom, VASP's default of POTIM there
LARGEST_DISPLACEMENT = 0.1  # Angstrom; far from harmonic

_REPEAT = re.compile(r"^(\d+)\*(\S+)$")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the engine obeys, with VASP's defaults."""

    system: str = "unknown system"
    nelm: int = 60
    ediff: float = 1e-4  # eV
    ediffg: float = 1e-3  # eV when positive, eV/Angstrom when negative
    nsw: int = 0
    ibrion: int = -1
    isif: int = 2
    potim: float = 0.5  # Angstrom where IBRION = 5; relaxations set their own steps
    nfree: int = 0  # displacements of each coordinate where IBRION = 5
    ispin: int = 1
    nupdown: float | None = None
    magmom: tuple[float, ...] | None = None  # as given, one number per atom
    nelect: float | None = None
    ismear: int = 1
    sigma: float = 0.2  # eV
    amix: float = 0.4  # damping of the density's mixing; less is slower and safer
    nedos: int = 301
    emin: float | None = None  # eV
    emax: float | None = None
    lorbit: int = 0
    images: int = 0
    spring: float = -5.0  # eV/Angstrom^2
    lclimb: bool = False
    kspacing: float | None = None  # 1/Angstrom, with the factor 2 pi
    kgamma: bool = True  # whether that mesh has the Gamma point
    isym: int = 1  # 0: no symmetry but that of k and -k
    nbands: int = 0  # 0: by VASP's rule
    ivdw: int = 0
    idipol: int = 0
    lmono: bool = False
    lcharg: bool = False  # here only when asked for: the files are large
    laechg: bool = False
    lelf: bool = False
    lwave: bool = True  # keeps what a later run could go on from, also at the end of this one
    lvhar: bool = False
    encut: float | None = None  # eV; sets the grid of densities, nothing else
    prec: str = "Normal"
    ngx: tuple[int, int, int] = (0, 0, 0)  # NGX, NGY, NGZ; 0 where not given
    ngxf: tuple[int, int, int] = (0, 0, 0)

    @property
    def is_isolated(self) -> bool:
        """Return whether corrections for the images of a molecule in a box are asked for."""
        return self.idipol == 4 or self.lmono

    @property
    def is_static(self) -> bool:
        """Return whether the atoms stay where they are."""
        return self.nsw <= 0 or self.ibrion == -1

    @property
    def is_vibrational(self) -> bool:
        """Return whether atoms are displaced to find their vibrations."""
        return self.ibrion == VIBRATIONS


def wants_densities(settings: Settings) -> bool:
    """Return whether INCAR asks for a density on a grid."""
    return settings.lcharg or settings.laechg or settings.lelf


def wants_potential(settings: Settings) -> bool:
    """Return whether INCAR asks for the electrostatic potential on a grid, LOCPOT."""
    return settings.lvhar


@dataclass(frozen=True, kw_only=True)
class TagReport:
    """How each tag of an INCAR was taken; goes into engine.json."""

    honoured: Mapping[str, str] = field(default_factory=dict)
    noted: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # what the user should see on stderr


@cache
def load_table(engine: str) -> dict[str, Any]:
    """Return an engine's table: its k-points, and tags honoured, noted, not written or refused."""
    path = Path(__file__).parent / f"tags_{engine}.yaml"
    table: dict[str, Any] = yaml.safe_load(path.read_text())
    return table


def check_tags(tags: Mapping[str, str], table: Mapping[str, Mapping[str, Any]]) -> TagReport:
    """Return how each tag is taken.

    Parameters
    ----------
    tags
        Upper-case tags and raw values of an INCAR.
    table
        The engine's table, see `load_table`.

    Raises
    ------
    EngineError
        A tag asks for physics the method does not have; names the tags and why.

    Examples
    --------
    >>> report = check_tags({"ENCUT": "400", "ENCTU": "400"}, load_table("xtb"))
    >>> report.noted["ENCUT"]
    'no plane waves in this method; sets the grid of densities'
    >>> report.warnings
    ('ENCTU is not a tag this engine knows; VASP would ignore a misspelt tag silently',)
    """
    if found := refusals(tags, table["refused"]):
        raise EngineError("INCAR asks for what this engine cannot do: " + "; ".join(found))
    honoured, noted, warnings = {}, {}, []
    is_vibrational = normal(tags.get("IBRION", "")) == str(VIBRATIONS)
    for tag, value in tags.items():
        if tag in table["honoured"] or (is_vibrational and tag in table["vibrations"]):
            honoured[tag] = value
        elif tag in table["noted"]:
            noted[tag] = str(table["noted"][tag])
        elif tag in table["not_written"]:
            if normal(value) == "T":
                noted[tag] = f"{table['not_written'][tag]} is not written by this engine yet"
                warnings.append(f"{tag}: {noted[tag]}")
        elif tag not in table["refused"]:
            noted[tag] = "unknown tag"
            warnings.append(
                f"{tag} is not a tag this engine knows; VASP would ignore a misspelt tag silently"
            )
    return TagReport(honoured=honoured, noted=noted, warnings=tuple(warnings))


def refusals(tags: Mapping[str, str], refused: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each tag whose value is not allowed."""
    return [
        f"{tag} = {value} ({refused[tag]['why']})"
        for tag, value in tags.items()
        if tag in refused and normal(value) not in {normal(a) for a in refused[tag]["allowed"]}
    ]


def normal(value: str) -> str:
    """Return one spelling for values that mean the same.

    Examples
    --------
    >>> [normal(v) for v in (".TRUE.", "f", "0.0", "2", "--")]
    ['T', 'F', '0', '2', '--']
    """
    text = value.strip().upper()
    if re.fullmatch(r"\.?T(RUE)?\.?", text):
        return "T"
    if re.fullmatch(r"\.?F(ALSE)?\.?", text):
        return "F"
    try:
        return f"{float(text.replace('D', 'E')):g}"
    except ValueError:
        return text


def read_settings(tags: Mapping[str, str]) -> Settings:
    """Return typed settings, with VASP's defaults for what is not given.

    Raises
    ------
    InputError
        A value is not of the kind the tag wants.
    EngineError
        NSW asks for steps while IBRION is left at VASP's default, molecular dynamics.

    Examples
    --------
    >>> read_settings({"NSW": "50", "IBRION": "2", "EDIFF": "1E-5"}).ediffg
    0.0001
    """
    values = _Values(tags)
    nsw = values.whole("NSW", 0)
    if nsw > 0 and "IBRION" not in tags:
        raise EngineError(
            f"INCAR has NSW = {nsw} without IBRION, which is molecular dynamics (IBRION = 0) in "
            "VASP. Set IBRION = 2 for a relaxation or NSW = 0 for a static run."
        )
    ibrion = values.whole("IBRION", -1)
    defaults = Settings(potim=DISPLACEMENT if ibrion == VIBRATIONS else Settings.potim)
    ediff = abs(values.real("EDIFF", defaults.ediff))
    settings = Settings(
        system=tags.get("SYSTEM", defaults.system),
        nelm=values.whole("NELM", defaults.nelm),
        ediff=ediff,
        ediffg=values.real("EDIFFG", 10 * ediff),
        nsw=nsw,
        ibrion=ibrion,
        isif=values.whole("ISIF", defaults.isif),
        potim=values.real("POTIM", defaults.potim),
        nfree=values.whole("NFREE", defaults.nfree),
        ispin=values.whole("ISPIN", defaults.ispin),
        nupdown=values.optional("NUPDOWN"),
        magmom=values.series("MAGMOM"),
        nelect=values.optional("NELECT"),
        ismear=values.whole("ISMEAR", defaults.ismear),
        sigma=values.real("SIGMA", defaults.sigma),
        amix=values.real("AMIX", defaults.amix),
        nedos=values.whole("NEDOS", defaults.nedos),
        emin=values.optional("EMIN"),
        emax=values.optional("EMAX"),
        lorbit=values.whole("LORBIT", defaults.lorbit, logical=11),
        images=values.whole("IMAGES", defaults.images),
        spring=values.real("SPRING", defaults.spring),
        lclimb=values.flag("LCLIMB"),
        kspacing=values.optional("KSPACING"),
        kgamma=normal(tags.get("KGAMMA", "T")) == "T",
        isym=values.whole("ISYM", defaults.isym),
        nbands=values.whole("NBANDS", defaults.nbands),
        ivdw=values.whole("IVDW", defaults.ivdw),
        idipol=values.whole("IDIPOL", defaults.idipol),
        lmono=values.flag("LMONO"),
        lcharg=values.flag("LCHARG"),
        laechg=values.flag("LAECHG"),
        lelf=values.flag("LELF"),
        lwave=values.flag("LWAVE", default=True),
        lvhar=values.flag("LVHAR"),
        encut=values.optional("ENCUT"),
        prec=tags.get("PREC", defaults.prec),
        ngx=(values.whole("NGX", 0), values.whole("NGY", 0), values.whole("NGZ", 0)),
        ngxf=(values.whole("NGXF", 0), values.whole("NGYF", 0), values.whole("NGZF", 0)),
    )
    _check_ranges(settings)
    if settings.is_vibrational:
        _check_vibrations(settings)
    return settings


def _check_ranges(settings: Settings) -> None:
    """Raise when a value has the right type but no meaning."""
    if settings.sigma <= 0:
        raise InputError(f"INCAR: SIGMA = {settings.sigma} must be positive (0.0862 eV is 1000 K)")
    if not 0 < settings.amix <= 1:
        raise InputError(f"INCAR: AMIX = {settings.amix} must be above 0 and at most 1")
    if settings.ediff <= 0:
        raise InputError(f"INCAR: EDIFF = {settings.ediff} must be positive")
    if settings.nelm < 1:
        raise InputError(f"INCAR: NELM = {settings.nelm} must be 1 or more")
    if settings.nedos < 2:
        raise InputError(f"INCAR: NEDOS = {settings.nedos} must be 2 or more")
    if settings.images < 0:
        raise InputError(f"INCAR: IMAGES = {settings.images} must not be negative")
    if settings.nbands < 0:
        raise InputError(f"INCAR: NBANDS = {settings.nbands} must not be negative")
    if min(*settings.ngx, *settings.ngxf) < 0:
        raise InputError("INCAR: NGX, NGY, NGZ, NGXF, NGYF and NGZF must not be negative")
    if settings.encut is not None and settings.encut <= 0:
        raise InputError(f"INCAR: ENCUT = {settings.encut} must be positive")
    if settings.images and settings.spring > 0:
        raise EngineError(
            f"INCAR: SPRING = {settings.spring} asks for a band that is not nudged; this engine "
            "offers nudged bands only: use a negative SPRING such as -5"
        )


def _check_vibrations(settings: Settings) -> None:
    """Raise when INCAR asks for vibrations in a way that gives none, or wrong ones."""
    if settings.nsw < 1:
        raise EngineError(
            f"INCAR: IBRION = 5 with NSW = {settings.nsw} is a static run without vibrations. "
            "Set NSW = 1."
        )
    if settings.nfree not in {2, 4}:
        raise EngineError(
            f"INCAR: NFREE = {settings.nfree} displacements of each coordinate; this engine takes "
            "2 (central differences) or 4. Set NFREE = 2."
        )
    if not 0 < settings.potim <= LARGEST_DISPLACEMENT:
        raise EngineError(
            f"INCAR: POTIM = {settings.potim:g} is the displacement in Angstrom where IBRION = 5; "
            f"it must be above 0 and at most {LARGEST_DISPLACEMENT}. Set POTIM = {DISPLACEMENT}."
        )
    if settings.images:
        raise EngineError(
            "INCAR: IBRION = 5 with IMAGES: vibrations are those of one structure. Compute them "
            "in a folder of their own, from the CONTCAR of the image."
        )


class _Values:
    """Reads typed values out of raw tags and names the tag that cannot be read."""

    def __init__(self, tags: Mapping[str, str]) -> None:
        self._tags = tags

    def _read(self, tag: str, convert: Callable[[str], Number], kind: str) -> Number:
        word = (self._tags[tag].split() or [""])[0]
        try:
            return convert(word.upper().replace("D", "E"))
        except ValueError:
            raise InputError(f"INCAR: {tag} = {self._tags[tag]!r} is not {kind}") from None

    def whole(self, tag: str, default: int, *, logical: int = 0) -> int:
        """Return an integer; a logical counts as 0 or `logical`, as VASP takes LORBIT = .TRUE."""
        if tag not in self._tags:
            return default
        if logical and normal(self._tags[tag]) in {"T", "F"}:
            return logical if normal(self._tags[tag]) == "T" else 0
        return self._read(tag, int, "an integer")

    def flag(self, tag: str, *, default: bool = False) -> bool:
        """Return a logical."""
        return normal(self._tags[tag]) == "T" if tag in self._tags else default

    def real(self, tag: str, default: float) -> float:
        """Return a number."""
        return self._read(tag, float, "a number") if tag in self._tags else default

    def optional(self, tag: str) -> float | None:
        """Return a number or None."""
        return self._read(tag, float, "a number") if tag in self._tags else None

    def series(self, tag: str) -> tuple[float, ...] | None:
        """Return numbers with VASP's repeats written out: 2*0.6 is 0.6 0.6."""
        if tag not in self._tags:
            return None
        numbers: list[float] = []
        try:
            for word in self._tags[tag].split():
                match = _REPEAT.match(word)
                numbers += [float(match[2])] * int(match[1]) if match else [float(word)]
        except ValueError:
            raise InputError(
                f"INCAR: {tag} = {self._tags[tag]!r} is not a list of numbers"
            ) from None
        return tuple(numbers)
