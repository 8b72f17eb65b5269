"""Many machines: the same cases on each class of hosts, a receipt for each, one report a host.

What of a run is open, and which host takes which case, knows nothing of Ray: `ray_hosts`,
`ray_nodes` and `on_host` alone do.
"""
