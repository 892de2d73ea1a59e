import json

import keras
import pytest

import keras_bsd
from tests.recipes.running import run


@pytest.mark.slow
@pytest.mark.xdist_group("digits_run")
def test_audits_and_draws(digits_run, tmp_path, digits):
    path = digits_run.folder / "rate.keras"
    done = run("audit_model", f"--model={path}", f"--output_dir={tmp_path}", "--samples=24")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "audit.txt").read_text()
    assert text in done.stdout
    record = json.loads((tmp_path / "audit.json").read_text())
    criteria = record["plausibility"]["criteria"]
    assert record["plausibility"]["trained"]
    assert record["plausibility"]["samples"] == 24
    assert not any(criterion["faults"] for criterion in criteria.values())
    _, (x, _) = digits
    model = keras.saving.load_model(path)
    assert record["energy"]["energy"] == keras_bsd.audit.energy(model, x[:24]).energy()
    assert (tmp_path / "audit.png").stat().st_size > 20_000
    for name in ("audit.txt", "audit.png", "audit.json"):
        assert str(tmp_path / name) in done.stdout


def test_refuses_an_encoder_alone(tmp_path):
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(8,))
    model.encoder.save(tmp_path / "encoder.keras")
    done = run("audit_model", f"--model={tmp_path / 'encoder.keras'}", f"--output_dir={tmp_path / 'audit'}")
    assert done.returncode != 0
    assert 'audited as keras_bsd.baselines.get("backprop")(model)' in done.stderr
    assert not (tmp_path / "audit").exists()
