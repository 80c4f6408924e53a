"""What every rule set has to get right before it may be published."""

from knowledge.risk.regression.check import Case, Failure, Regression, check
from knowledge.risk.regression.examples import examples

__all__ = ["Case", "Failure", "Regression", "check", "examples"]
