"""A simulated day: who writes what and when, everything that breaks meanwhile, and the count.

`plan` makes both from a seed, `clock`, `line` and `platform` are the surroundings, `ledger` and
`tally` count. What needs the built house is in `bot.cli.simulated.day`.
"""
