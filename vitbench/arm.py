"""The duet's worker under the name by which a vitbench of before 2026-12 starts it."""

import sys

from vitbench.duet.worker import main

if __name__ == "__main__":
    sys.exit(main())
