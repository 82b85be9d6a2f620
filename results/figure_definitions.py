"""What each figure is: the rows it takes, what it reads of their runs, and what draws it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .aligned_figures import draw_aligned_dos, draw_levels
from .charge_figures import draw_charges, draw_isosurface, draw_profile, draw_slice
from .charges import BY_NEAREST, INTEGRATED
from .complex_figures import draw_complexes
from .conditions import satisfies
from .decomposition_figures import draw_decomposition, draw_hop_profiles
from .drawings import Drawing, Source
from .elf_figures import draw_elf_slices
from .figure_names import TITLES, drawing_of
from .fragment_figures import draw_fragment_charges
from .host_figures import draw_barriers, draw_host_dos
from .insertion_figures import draw_binding, draw_dos, draw_profiles, draw_reactions
from .pathway_figures import draw_pathways
from .published import numbered_figures
from .records import Property
from .site_charge_figures import draw_site_charges


@dataclass(frozen=True, kw_only=True)
class FigureDefinition:
    """A figure before any number: what it shows, of what, and how it is drawn."""

    name: str  # "binding"
    query: str  # which properties of a study it takes; it sees no others
    draw: Callable[[Source], Drawing | None]
    arrays: tuple[str, ...] = ()  # what it shows of the runs it reads, such as "dos.*"

    @property
    def title(self) -> str:
        """What it shows, in words."""
        return TITLES[self.name]


def matches(definition: FigureDefinition, item: Property) -> bool:
    """Return whether a figure takes a property."""
    return satisfies(definition.query, item)


_DOS = ("dos.*",)
_DIFFERENCE = ("difference.*",)
_DIFFERENCES = f'reference = "{INTEGRATED}" OR reference = "{BY_NEAREST}"'
_BARRIERS = 'quantity = "barrier forward" OR quantity = "barrier back"'
_STATES = (
    'quantity = "state energy" OR quantity = "step energy" OR quantity = "rate-determining step"'
)

_ALL = (
    FigureDefinition(
        name="dos",
        query='quantity = "DOS at E_F"',
        arrays=_DOS,
        draw=draw_dos,
    ),
    FigureDefinition(
        name="binding",
        query='quantity ENDS WITH "binding energy"',
        draw=draw_binding,
    ),
    FigureDefinition(
        name="profiles",
        query=_BARRIERS,
        draw=draw_profiles,
    ),
    FigureDefinition(
        name="reactions",
        query='quantity ENDS WITH "reaction energy"',
        draw=draw_reactions,
    ),
    FigureDefinition(
        name="pathways",
        query=f'{_STATES} OR quantity = "state free energy" OR quantity = "step free energy"',
        draw=draw_pathways,
    ),
    FigureDefinition(
        name="host-dos",
        query='quantity = "DOS at E_F" OR quantity = "DOS at E_F per area" '
        'OR quantity = "band gap"',
        arrays=_DOS,
        draw=draw_host_dos,
    ),
    FigureDefinition(
        name="barriers",
        query='quantity ENDS WITH "migration barrier" OR quantity = "barrier forward"',
        draw=draw_barriers,
    ),
    FigureDefinition(
        name="aligned-dos",
        query='quantity = "Fermi level" OR quantity = "TDOS near E_F"',
        arrays=_DOS,
        draw=draw_aligned_dos,
    ),
    FigureDefinition(
        name="levels",
        query='quantity STARTS WITH "d-band centre of" AND reference = "E_F" '
        'OR quantity = "HOMO-LUMO gap"',
        draw=draw_levels,
    ),
    FigureDefinition(
        name="complexes",
        query='quantity ENDS WITH "binding energy" OR quantity ENDS WITH "interaction energy"',
        draw=draw_complexes,
    ),
    FigureDefinition(
        name="decomposition",
        query=f'{_STATES} OR {_BARRIERS} OR quantity = "rate-determining barrier"',
        draw=draw_decomposition,
    ),
    FigureDefinition(
        name="hop-profiles",
        # Steps, because a band between two states of a route is no hop.
        query=f'{_BARRIERS} OR quantity = "step energy"',
        draw=draw_hop_profiles,
    ),
    FigureDefinition(
        name="fragment-charges",
        query='quantity STARTS WITH "electrons gained by " OR quantity STARTS WITH "C-F bond" '
        'OR quantity = "state energy"',
        draw=draw_fragment_charges,
    ),
    FigureDefinition(
        name="elf-slices",
        query='quantity STARTS WITH "lowest ELF between "',
        arrays=("elf.*",),
        draw=draw_elf_slices,
    ),
    FigureDefinition(
        name="charges",
        query='quantity STARTS WITH "net charge of " AND label CONTAINS " image "',
        draw=draw_charges,
    ),
    FigureDefinition(
        name="site-charges",
        # Binding energies, because they say where a site lies.
        query='quantity STARTS WITH "net charge of " OR quantity STARTS WITH "electrons gained by "'
        ' OR quantity ENDS WITH "binding energy"',
        draw=draw_site_charges,
    ),
    FigureDefinition(
        name="difference-profile",
        query=_DIFFERENCES,
        arrays=_DIFFERENCE,
        draw=draw_profile,
    ),
    FigureDefinition(
        name="difference-slice",
        query=_DIFFERENCES,
        arrays=_DIFFERENCE,
        draw=draw_slice,
    ),
    FigureDefinition(
        name="difference-isosurface",
        query=_DIFFERENCES,
        arrays=_DIFFERENCE,
        draw=draw_isosurface,
    ),
)
DEFINITIONS: Mapping[str, FigureDefinition] = {item.name: item for item in _ALL}


def definition_of(study: str, name: str) -> FigureDefinition:
    """Return the definition of a study's figure, by number ("5b") or by what is drawn ("binding").

    Raises
    ------
    InputError
        There is none.

    Examples
    --------
    >>> definition_of("potassium-anode", "5b").query
    'quantity ENDS WITH "binding energy"'
    """
    return DEFINITIONS[drawing_of(study, name)]


def number_of(study: str, definition: FigureDefinition) -> str:
    """Return the number that the paper of a study gives to a drawing; empty where it has none."""
    numbers = numbered_figures(study)
    return next((n for n, drawing in numbers.items() if drawing == definition.name), "")
