"""Configurations saved by earlier versions."""


def rename_keys(config, names):
    """Return a copy of `config` with keys that had another name in an earlier version renamed.

    Args:
        config: dict, as saved.
        names: dict from earlier to present names.
    """
    return {names.get(key, key): value for key, value in config.items()}
