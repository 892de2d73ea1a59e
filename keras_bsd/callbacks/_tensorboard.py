"""Images for TensorBoard, whichever backend trains: TensorFlow writes its files."""


def write_image(folder, name, image, step):
    """Write an image `(height, width, channels)` in [0, 1] beside TensorBoard's other logs of a run.

    Args:
        folder: of the logs.
        name: under which it is shown.
        image: array.
        step: int, the epoch.
    """
    import tensorflow as tf

    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default(step=step):
        tf.summary.image(name, image[None])
    writer.close()
