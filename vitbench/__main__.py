"""`python -m vitbench` is the `vitbench` command."""

import sys

from vitbench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
