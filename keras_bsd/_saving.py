"""Configurations that earlier versions saved."""

from keras_bsd._types import Config


def rename_keys(config: Config, names: dict[str, str]) -> Config:
    """Return a copy of `config` under the present names of its keys.

    Args:
        config: dict, as saved.
        names: dict from earlier names to present names.
    """
    return {names.get(key, key): value for key, value in config.items()}
