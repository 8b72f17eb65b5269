"""A model of a team, its recipes, and a runtime."""
