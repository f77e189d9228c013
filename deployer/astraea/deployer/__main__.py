"""`python -m astraea.deployer` is the `astraea` command, for where the script is not on the path."""

from .main import main

main()
