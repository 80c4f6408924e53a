"""Durable background work in the application's own database: outbox, timers, schedules, limits.

Services enqueue through `bot.jobs.table` inside their own transaction; `bot.wiring` registers
handlers in a `JobRegistry` and runs a `Worker`. How it works and what it promises: docs/jobs.md.
"""
