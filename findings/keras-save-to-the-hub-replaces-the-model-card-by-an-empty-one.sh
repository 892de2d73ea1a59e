#!/usr/bin/env bash
# Version: keras 3.15.1, huggingface_hub 2.4.0.
#
# Behaviour: model.save("hf://user/name") uploads the model together with a README.md of its own,
# whose text asks the author to complete it. Each later save uploads the same file again: the
# completed card, with its licence, data and scores, is replaced by the empty one. Nothing is
# said of it, and no argument keeps the card.
#
# Seen: a card with a licence, on the stand-in for the Hub that the script has, gone after the
# next save of the same model. The model itself returns unchanged.
#
# Why it matters: whoever trains further and saves again, as a callback may do after each epoch,
# publishes a model without licence, data, scores and limits. Publish the card after the model.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 keras==3.15.1 jax==0.10.2 huggingface_hub==2.4.0 >pip.log 2>&1 ||
    { cat pip.log; echo "could not install"; exit 2; }

KERAS_BACKEND=jax JAX_PLATFORMS=cpu venv/bin/python -W ignore - <<'PY'
import pathlib
import sys
from importlib.metadata import version

import huggingface_hub
import keras

print("keras", version("keras"), "huggingface_hub", version("huggingface_hub"))

FILES = {}  # of the repository, by path

def create_repo(self, repo_id, **options):
    return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

def upload_folder(self, *, folder_path, **options):
    for path in pathlib.Path(folder_path).rglob("*"):
        if path.is_file():
            FILES[path.relative_to(folder_path).as_posix()] = path.read_bytes()

huggingface_hub.HfApi.create_repo = create_repo
huggingface_hub.HfApi.upload_folder = upload_folder

model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
model.save("hf://somebody/shapes")
first = FILES["README.md"].decode()
print("first save:", first.strip().splitlines()[0:3], "..." , "should be completed by the" in first)

card = huggingface_hub.ModelCard("---\nlibrary_name: keras\nlicense: mit\n---\n\n# Shapes\n\nOur own text.\n")
FILES["README.md"] = str(card).encode()
model.save("hf://somebody/shapes")
second = FILES["README.md"].decode()
print("expected after the second save: license mit; seen:", huggingface_hub.ModelCard(second).data.license)

if "should be completed by the" not in first:
    sys.exit("changed: the first save uploads no card that asks to be completed")
if second != first:
    sys.exit("changed: the second save does not replace the card")
print("as stated")
PY
