"""The `astraea` command, and what it does for a service: build it, place it, run it, look after it."""
