"""Seconds from the bytes of a photograph to the answer. Runs where this file is named."""

import pytest


@pytest.mark.measures("photo", batches=(1,))
def test_photo_to_answer(photo_to_answer):
    photo_to_answer(least_rounds=20)
