"""Benchmarks and the loss test: they start the service's own processes and measure from outside.

Called by `bot.cli.bench`. What they measure and how to run them: docs/benchmarks.md.
"""
