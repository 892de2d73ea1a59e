"""Images for TensorBoard, on any backend: by TensorBoard's own writer, without TensorFlow."""

import io
import time

import numpy as np

from keras_bsd._optional import require
from keras_bsd._types import Array, Path


def write_image(folder: Path, name: str, image: Array, step: int) -> None:
    """Write an image beside TensorBoard's other logs of a run.

    Args:
        folder: path of the logs.
        name: title under which the image is shown.
        image: array `(height, width, 1 or 3)` in [0, 1].
        step: int, the epoch.
    """
    purpose = "Logging images for TensorBoard"
    pillow = require("PIL.Image", purpose, "examples")
    Event = require("tensorboard.compat.proto.event_pb2", purpose, "examples").Event
    Summary = require("tensorboard.compat.proto.summary_pb2", purpose, "examples").Summary
    Writer = require("tensorboard.summary.writer.event_file_writer", purpose, "examples").EventFileWriter
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype("uint8")
    file = io.BytesIO()
    pillow.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    height, width, channels = pixels.shape
    png = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=file.getvalue())
    summary = Summary(value=[Summary.Value(tag=name, image=png)])
    writer = Writer(str(folder))
    writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()
