"""The commit that made a case slower: a search over commits, with the duet as the oracle."""
