"""Whether two sides have the same contents, so that there is nothing to time."""
