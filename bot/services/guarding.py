"""Lets the rules go on when the classifier beside them can't be loaded or breaks.

Called by the wiring and by `screening`. The classifier only ever raises a level; without it fewer
oblique dangers are found, so the operator is alarmed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

from knowledge.errors import KnowledgeError
from knowledge.risk import RuleSet, load_rules
from knowledge.risk.classifier import NOTHING, Classifier, Proposal
from knowledge.risk.model.run import load_classifier

log = structlog.get_logger(__name__)

_left_out: ContextVar[bool] = ContextVar("classifier_left_out", default=False)


@contextmanager
def left_out() -> Iterator[None]:
    """Let no classifier be asked inside, so that the rules judge alone."""
    token = _left_out.set(True)
    try:
        yield
    finally:
        _left_out.reset(token)


class GuardedClassifier:
    """A classifier that never raises.

    Args:
        failures: on how many texts it broke since the start.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.failures = 0

    @property
    def version(self) -> str:
        """Return the version of the classifier inside."""
        return self._classifier.version

    def propose(
        self, turns: Sequence[str], places: Sequence[int] = (), *, hinted: bool = False
    ) -> Proposal:
        """Propose what the classifier proposes; nothing when it breaks, or is left out."""
        if _left_out.get():
            return NOTHING
        try:
            return self._classifier.propose(turns, places, hinted=hinted)
        except Exception as error:
            # The type only: an exception's text may hold a parent's words.
            log.error("classifier_failed", error=type(error).__name__)
            self.failures += 1
            return NOTHING


def live_rules(setting: str) -> RuleSet:
    """Return the packaged rules with the classifier a setting names, as a fresh start has them."""
    rules = load_rules()
    rules.classifier, _ = guarded(setting)
    return rules


def guarded(setting: str) -> tuple[GuardedClassifier | None, str | None]:
    """Load the classifier that a setting names; a problem is told and nothing is raised.

    Returns:
        the classifier, None when it is switched off or unusable; and what is wrong with it.
    """
    try:
        found = load_classifier(setting)
    except (KnowledgeError, OSError) as error:
        log.error("classifier_unusable", problem=str(error))
        return None, str(error)
    return (GuardedClassifier(found), None) if found else (None, None)
