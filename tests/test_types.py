"""Every public signature has type hints; `make check` has mypy check them."""

import inspect

import keras_bsd

PACKAGES = ("applications", "audit", "callbacks", "datasets", "encoding", "export", "layers", "losses")
PACKAGES += ("metrics", "models", "plots", "surrogates")


def public_objects():
    """Functions and classes by name."""
    for module in (keras_bsd, *(getattr(keras_bsd, name) for name in PACKAGES)):
        for name, value in vars(module).items():
            source = getattr(value, "__module__", "")
            # Packages re-export; a public module's imports are not its names.
            ours = source.startswith("keras_bsd") if hasattr(module, "__path__") else source == module.__name__
            if not name.startswith("_") and ours and (inspect.isfunction(value) or inspect.isclass(value)):
                yield f"{module.__name__}.{name}", value


def public_functions():
    """Functions, and methods that a class defines itself, by name."""
    for name, value in public_objects():
        if inspect.isfunction(value):
            yield name, value
            continue
        for attribute, member in vars(value).items():
            if attribute.startswith("_") and attribute != "__init__":
                continue
            member = member.fget if isinstance(member, property) else member
            member = getattr(member, "__func__", member)  # of class and static methods
            # A NamedTuple's and a dataclass's own methods are generated.
            if inspect.isfunction(member) and member.__module__.startswith("keras_bsd"):
                yield f"{name}.{attribute}", member


def test_every_public_signature_has_type_hints():
    lacking = {}
    for name, function in public_functions():
        signature = inspect.signature(function)
        missing = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is inspect.Parameter.empty and parameter.name not in ("self", "cls")
        ]
        if signature.return_annotation is inspect.Signature.empty and not name.endswith("__init__"):
            missing.append("return")
        if missing:
            lacking[name] = missing
    assert lacking == {}
