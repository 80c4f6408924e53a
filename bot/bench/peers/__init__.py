"""The search measured beside other libraries, on the same texts: `xinqing bench peers`.

Called by `bot.cli.bench`; each row of the table runs in a process of its own, `child.py`.
"""
