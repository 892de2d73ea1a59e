"""Fixtures that tests of several packages share."""

import pytest

from tests.hub import serve


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the Hugging Face Hub, to which `hf://` leads."""
    reason = "huggingface_hub is not installed: pip install 'keras-bsd[hub]'"
    constants = pytest.importorskip("huggingface_hub.constants", reason=reason)
    hf_api = pytest.importorskip("huggingface_hub.hf_api", reason=reason)
    with serve() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        template = f"{served.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(hf_api.api, "endpoint", served.address)
        monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
        yield served
