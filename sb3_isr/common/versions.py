"""The versions that numbers depend on."""

from __future__ import annotations

from importlib.metadata import version

from sb3_isr.version import __version__


def versions(*packages: str) -> dict[str, str]:
    """
    Get the versions of sb3-isr and of what it computes with.

    :param packages: Further packages.
    :return: Version by package.
    """
    known = ("stable_baselines3", "gymnasium", "torch", "numpy")
    return {"sb3_isr": __version__, **{package: version(package) for package in (*known, *packages)}}
