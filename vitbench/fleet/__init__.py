"""Many machines: the same cases on each class of hosts, a receipt for each, one report a host.

`plan`, `receipts`, `schedule` and `run` know nothing of Ray; `ray_hosts` alone does.
"""
