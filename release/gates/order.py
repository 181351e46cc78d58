"""Which gates a kind of repository passes, in which order: names, content, meaning, execution."""

from release.gates.cards import card_is_whole, licence_and_provenance, numbers_have_runs
from release.gates.code import code_is_reachable, code_reads_well, imports_at_home
from release.gates.contents import kinds_are_true, no_pickles
from release.gates.credentials import no_credentials
from release.gates.gate import Gate
from release.gates.names import links_and_names, within_limits
from release.gates.records import manifest_holds, records_are_clean
from release.gates.settings import settings_are_sound, space_is_pinned
from release.gates.templates import templates_end
from release.gates.weights import weights_are_sound

NAMES: tuple[Gate, ...] = (links_and_names, within_limits)
CONTENT: tuple[Gate, ...] = (kinds_are_true, no_pickles)
MEANING: tuple[Gate, ...] = (
    settings_are_sound,
    no_credentials,
    card_is_whole,
    licence_and_provenance,
    manifest_holds,
)
GATES: dict[str, tuple[tuple[Gate, ...], ...]] = {
    "dataset": (NAMES, CONTENT, (*MEANING, records_are_clean)),
    "model": (
        NAMES,
        CONTENT,
        (*MEANING, numbers_have_runs, weights_are_sound, code_is_reachable, code_reads_well),
        (templates_end, imports_at_home),
    ),
    "space": (NAMES, CONTENT, (*MEANING, space_is_pinned, code_reads_well)),
}
