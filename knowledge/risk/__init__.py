"""The risk engine: reads a message and says how worried a person should be, and why.

Pure text in, value out: no network, no database, no generative model. Called by the inbox for
every message and by the command line (`xinqing risk`, `xinqing eval risk`).
"""

from knowledge.risk.assess import assess, default_rules
from knowledge.risk.classifier import Classifier
from knowledge.risk.loading import load_rules
from knowledge.risk.rules import Rule, RuleSet, RulesInvalid
from knowledge.risk.values import Assessment, Context, Level, Span, Subject, max_level

__all__ = [
    "Assessment",
    "Classifier",
    "Context",
    "Level",
    "Rule",
    "RuleSet",
    "RulesInvalid",
    "Span",
    "Subject",
    "assess",
    "default_rules",
    "load_rules",
    "max_level",
]
