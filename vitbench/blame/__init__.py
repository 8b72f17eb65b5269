"""Which int8 layers change a model's answers, and recipes that leave a few of them in float."""
