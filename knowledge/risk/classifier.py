"""The place of a statistical model beside the rules: it may raise a level and never lowers one.

Called by `assess` last. No model ships with the project yet; a rule set without one behaves as if
it always answered NONE.
"""

from __future__ import annotations

from typing import Protocol

from knowledge.risk.values import Level


class Classifier(Protocol):
    """A model that reads one text and proposes a level."""

    def propose(self, text: str) -> Level:
        """Return the level the model sees; NONE when it sees nothing or is unsure."""
        ...
