"""What the base of a duet is: its commit, its tree of files, and what git does not track there."""
