"""``python -m lsr.cli``: the command line where no ``lsr`` is on the path."""

from lsr.cli import main

main()
