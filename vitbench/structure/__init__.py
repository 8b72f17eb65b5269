"""What a call of a case executes, counted exactly: the record, and the comparison of two records.

The counting is done by the runtimes (`Runtime.structure`). Nothing here imports them.
"""

from vitbench.structure.differences import differences
from vitbench.structure.record import Counters, Key, Structure

__all__ = ["Counters", "Key", "Structure", "differences"]
