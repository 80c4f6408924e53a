"""In CI a skipped test is a failed one: what can't run there has not been tested.

Loaded by `make test` with `-p tests.no_skips` when CI or XINQING_CI is set. On a newcomer's
machine, without Chromium or PostgreSQL, those tests are skipped instead.
"""

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of one test into a failure that keeps its reason."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"skipped, and CI may skip nothing: {_reason(report)}"
        report.outcome = "failed"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skip of a whole file into an error that keeps its reason."""
    report = yield
    if report.skipped:
        report.longrepr = f"skipped, and CI may skip nothing: {_reason(report)}"
        report.outcome = "failed"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
