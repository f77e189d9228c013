"""A canary is tried on copies of what this instance answers, and nobody waits for what it makes of them.

copies     which requests are copied, and what became of them
line       the connection to the canary's instance
comparing  how much two answers differ: pure
"""

SHADOW_HEADER = b"astraea-shadow"
"""Marks a request as a copy: it is answered if a worker has nothing else to do, and refused with 429 if none has."""
