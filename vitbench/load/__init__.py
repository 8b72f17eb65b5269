"""Under load: how many requests a second a variant answers within a latency bound."""
