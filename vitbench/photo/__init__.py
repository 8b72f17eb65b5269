"""From the photograph to the answer: JPEG bytes in memory to what a model says of them."""
