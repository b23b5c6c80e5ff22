"""What a processor is given, and what is noted of its answer."""

from __future__ import annotations

import numpy as np

from portwright_worker.jobs import samples


class Images:
    def __call__(self, images, return_tensors):
        (image,) = images
        assert image.shape == (samples.HEIGHT, samples.WIDTH, 3)
        return {"pixel_values": np.zeros((1, 3, 8, 8), np.float32), "sizes": [np.zeros(2, np.int64)], "name": "x"}


def test_tensors_are_noted_by_name_type_and_shape():
    seen = samples.processed(Images(), "image")
    assert seen["pixel_values"] == {"dtype": "float32", "shape": [1, 3, 8, 8], "modality": "image"}


def test_a_list_of_tensors_counts_as_one_with_an_axis_more_and_other_values_are_left_out():
    seen = samples.processed(Images(), "image")
    assert seen["sizes"]["shape"] == [1, 2]
    assert "name" not in seen
