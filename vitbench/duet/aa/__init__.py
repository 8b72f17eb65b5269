"""The A/A run: the gate played against itself, and how often it was wrong."""
