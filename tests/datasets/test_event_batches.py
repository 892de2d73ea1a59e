import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd import datasets
from keras_bsd.datasets import _event_batches
from keras_bsd.layers import FrameMasking, Readout, SpikingDense
from tests.datasets.events import random_events

RECORDINGS = [random_events(20 + 10 * i, duration=100 * (i + 1), seed=i) for i in range(7)]
LABELS = np.arange(7)
SIZE = (6, 5)


def batches(**options):
    options = {"batch_size": 3, "sensor_size": SIZE, "bins": 4, **options}
    return datasets.EventBatches(RECORDINGS, LABELS, **options)


def epoch(data, number):
    data.epoch_callback().on_epoch_begin(number)
    return [data[i] for i in range(len(data))]


def test_batches_have_the_frames_of_their_recordings():
    parts = epoch(batches(), 0)
    assert [len(y) for _, y in parts] == [3, 3, 1]
    assert sorted(np.concatenate([y for _, y in parts])) == LABELS.tolist()
    for x, y in parts:
        for frames, label in zip(x, y, strict=True):
            np.testing.assert_array_equal(frames, datasets.events_to_frames(RECORDINGS[label], SIZE, 4))


def drop(events, generator):
    return datasets.drop_events(events, 0.3, generator)


def test_batches_follow_from_seed_and_epoch_alone():
    for data in (batches(), batches(transform=drop)):
        first, second = epoch(data, 0), epoch(data, 1)
        again = epoch(data, 0)
        for (x, y), (repeated, labels) in zip(first, again, strict=True):
            np.testing.assert_array_equal(x, repeated)
            np.testing.assert_array_equal(y, labels)
        assert [y.tolist() for _, y in first] != [y.tolist() for _, y in second]
    assert [y.tolist() for _, y in epoch(batches(seed=1), 0)] != [y.tolist() for _, y in first]
    in_order = epoch(batches(shuffle=False), 3)
    assert np.concatenate([y for _, y in in_order]).tolist() == LABELS.tolist()


def test_a_transform_differs_between_epochs_and_recordings_not_batches():
    data = batches(transform=drop, shuffle=False)
    counts = [np.concatenate([x.sum(axis=(1, 2, 3, 4)) for x, _ in epoch(data, number)]) for number in (0, 1)]
    assert (counts[0] != counts[1]).any()
    assert (counts[0] < [len(events) for events in RECORDINGS]).all()
    larger = np.concatenate(
        [x.sum(axis=(1, 2, 3, 4)) for x, _ in epoch(batches(transform=drop, shuffle=False, batch_size=7), 0)]
    )
    assert larger.tolist() == counts[0].tolist()


def test_padding():
    options = {"bins": None, "bin_duration": 50, "shuffle": False}
    longest = [-(-events["t"].max() // 50) for events in RECORDINGS]
    for x, y in epoch(batches(**options), 0):
        frames = [datasets.events_to_frames(RECORDINGS[label], SIZE, bin_duration=50) for label in y]
        assert x.shape[1] == max(map(len, frames)) <= max(longest)
        for padded, each in zip(x, frames, strict=True):
            np.testing.assert_array_equal(padded[: len(each)], each)
            assert not padded[len(each) :].any()
    assert {x.shape[1] for x, _ in epoch(batches(**options, pad_to=20), 0)} == {20}
    message = r"`pad_to` must be at least the number of frames. Received: pad_to=3, 4 frames of recording 1"
    with pytest.raises(ValueError, match=message):
        epoch(batches(**options, pad_to=3), 0)


def test_files(tmp_path):
    paths = [tmp_path / f"{i}.npy" for i in range(7)]
    for path, events in zip(paths, RECORDINGS, strict=True):
        np.save(path, events)
    (expected, _), *_ = epoch(batches(), 0)
    data = datasets.EventBatches(paths, LABELS, 3, SIZE, bins=4)
    np.testing.assert_array_equal(data[0][0], expected)
    paths[int(data[0][1][0])].write_bytes(b"")
    with pytest.raises(ValueError, match=r"recording \d, .*\.npy: .*must be a complete file"):
        data[0]


def test_errors_name_the_recording():
    bad = [*RECORDINGS[:2], RECORDINGS[2][:0]]
    with pytest.raises(ValueError, match="recording 2: A recording without events needs `start` and `end`"):
        datasets.EventBatches(bad, [0, 1, 2], 3, SIZE, bins=4)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, r"`batch_size` must be an integer of at least 1"),
        ({"pad_to": 0}, r"`pad_to` must be an integer of at least 1"),
        ({"cache_dir": "cache", "transform": drop}, r"`cache_dir` must be without `transform`"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        batches(**options)


def test_labels_and_names_of_arguments():
    with pytest.raises(ValueError, match=r"a label of each. Received: 7 recordings, labels of shape \(6,\)"):
        datasets.EventBatches(RECORDINGS, LABELS[:6], 3, SIZE, bins=4)
    with pytest.raises(ValueError, match=r"There must be recordings.*Received: 0 recordings"):
        datasets.EventBatches([], [], 3, SIZE, bins=4)
    with pytest.raises(TypeError, match="unexpected keyword argument 'n_bins'"):
        datasets.EventBatches(RECORDINGS, LABELS, 3, SIZE, n_bins=4)


# Cache


@pytest.fixture
def made(monkeypatch):
    """Count the recordings that become frames."""
    calls = []

    def counted(events, *args, **kwargs):
        calls.append(len(events))
        return datasets.events_to_frames(events, *args, **kwargs)

    monkeypatch.setattr(_event_batches, "events_to_frames", counted)
    return calls


def same(parts, others):
    for (x, y), (x2, y2) in zip(parts, others, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)


def test_frames_are_read_from_the_cache(tmp_path, made):
    expected = epoch(batches(), 0)
    made.clear()
    data = batches(cache_dir=tmp_path)
    same(epoch(data, 0), expected)
    assert len(made) == 7
    same(epoch(data, 0), expected)
    same(epoch(batches(cache_dir=tmp_path), 0), expected)
    assert len(made) == 7
    assert len(list(tmp_path.iterdir())) == 7
    epoch(batches(cache_dir=tmp_path, bins=5), 0)  # other arguments
    assert len(made) == 14


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:60] + b"\x00" * 9 + b[69:]]
)
def test_damaged_files_are_written_again(tmp_path, damage):
    expected = epoch(batches(), 0)
    data = batches(cache_dir=tmp_path)
    epoch(data, 0)
    path = sorted(tmp_path.iterdir())[3]
    content = path.read_bytes()
    path.write_bytes(damage(content))
    same(epoch(data, 0), expected)
    with np.load(path) as loaded:
        assert loaded["frames"].shape == (4, 5, 6, 2)


def test_an_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
    def interrupted(path, **_):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batches(cache_dir=tmp_path)[0]
    assert list(tmp_path.iterdir()) == []


def test_changed_content_has_frames_of_its_own(tmp_path):
    path = tmp_path / "a.npy"
    options = {"labels": [0], "batch_size": 1, "sensor_size": SIZE, "bins": 2, "cache_dir": tmp_path / "cache"}
    for events in RECORDINGS[:2]:
        np.save(path, events)
        frames, _ = datasets.EventBatches([path], **options)[0]
        np.testing.assert_array_equal(frames[0], datasets.events_to_frames(events, SIZE, 2))


# Training


def test_a_pair_trains_on_padded_frames():
    data = batches(bins=None, bin_duration=100, pad_to=8, batch_size=7)
    encoder = keras.Sequential(
        [
            keras.Input((8, 5, 6, 2)),
            FrameMasking(),
            SpikingDense(8, normalization="batch"),
            Readout(keras.layers.Dense(7), "softmax"),
        ]
    )
    pair = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    pair.compile(keras.optimizers.AdamW(1e-2), run_eagerly=keras.config.backend() != "jax")
    weights = [keras.ops.convert_to_numpy(weight) for weight in encoder.trainable_weights]
    history = pair.fit(data, callbacks=[data.epoch_callback()], verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(
        (keras.ops.convert_to_numpy(weight) != before).any()
        for weight, before in zip(encoder.trainable_weights, weights, strict=True)
    )
