from __future__ import annotations

from portwright_worker import errors


def raised(action) -> dict:
    try:
        action()
    except BaseException as error:
        return errors.describe(error)
    raise AssertionError("nothing was raised")


def deep(levels: int) -> None:
    if levels == 0:
        raise KeyError("None")
    deep(levels - 1)


def test_an_error_says_what_the_job_was_doing():
    errors.now("forward")
    described = raised(lambda: deep(0))
    assert (described["exception"], described["message"], described["doing"]) == ("KeyError", "'None'", "forward")


def test_only_the_innermost_frames_are_kept():
    frames = raised(lambda: deep(100))["frames"]
    assert len(frames) == errors.MAX_FRAMES
    assert frames[-1]["function"] == "deep"
    assert "raise KeyError" in frames[-1]["code"]


def test_causes_are_listed_innermost_last():
    def chained():
        try:
            try:
                raise OSError("disk")
            except OSError as error:
                raise ValueError("file") from error
        except ValueError:
            raise RuntimeError("job")  # noqa: B904

    assert raised(chained)["causes"] == ["ValueError: file", "OSError: disk"]


def test_an_error_whose_message_cannot_be_read_is_still_described():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("no")

    def action():
        raise Broken

    assert "RuntimeError" in raised(action)["message"]


def test_the_shapes_of_local_tensors_are_told():
    import torch

    def action():
        features = torch.zeros(2, 30, 64)
        raise ValueError(f"features: {features.shape[0]}")

    assert raised(action)["frames"][-1]["tensors"] == {"features": [2, 30, 64]}
