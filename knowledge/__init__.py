"""Text engines of 心晴: the handbook, its search, and the risk screen.

Text in, value out: no database, no network, no web. `bot.services` and everything above may import
this package; it imports none of them.
"""
