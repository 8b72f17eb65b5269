"""A project's own models and variants: lines of its pyproject.toml, and where its code lies."""
