"""What stands in two files stands there alike. (Style itself is checked by `make check`.)"""

import re

import keras_bsd


def text(pytestconfig, name):
    return (pytestconfig.rootpath / name).read_text()


def test_pre_commit_has_the_pinned_ruff(pytestconfig):
    (pinned,) = re.findall(r"^ruff==(.+)$", text(pytestconfig, "constraints.txt"), re.MULTILINE)
    assert f"rev: v{pinned}" in text(pytestconfig, ".pre-commit-config.yaml")


def test_citation_has_the_version(pytestconfig):
    assert f"version: {keras_bsd.__version__}\n" in text(pytestconfig, "CITATION.cff")
