import json

import keras

import keras_bsd
from tests.recipes.running import run


def test_tells_draws_and_keeps_the_figures(tmp_path, digits):
    (x, y), _ = digits
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(24, 16))
    model.compile(keras.optimizers.AdamW(6e-3))
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "pair.keras")
    done = run(
        "audit_model",
        f"--model={tmp_path / 'pair.keras'}",
        f"--output_dir={tmp_path / 'audit'}",
        "--samples=24",
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "audit" / "audit.txt").read_text()
    assert text in done.stdout
    record = json.loads((tmp_path / "audit" / "audit.json").read_text())
    criteria = record["plausibility"]["criteria"]
    assert record["plausibility"]["trained"]
    assert record["plausibility"]["samples"] == 24
    assert not any(criterion["faults"] for criterion in criteria.values())
    _, (x, _) = digits
    assert record["energy"]["energy"] == keras_bsd.audit.energy(model, x[:24]).energy()
    assert (tmp_path / "audit" / "audit.png").stat().st_size > 20_000
    for name in ("audit.txt", "audit.png", "audit.json"):
        assert str(tmp_path / "audit" / name) in done.stdout


def test_one_network_alone_is_refused(tmp_path):
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(8,))
    model.encoder.save(tmp_path / "encoder.keras")
    done = run("audit_model", f"--model={tmp_path / 'encoder.keras'}", f"--output_dir={tmp_path / 'audit'}")
    assert done.returncode != 0
    assert "one network alone has no backward twin" in done.stderr
    assert not (tmp_path / "audit").exists()
