"""The work of ``sb3-isr labels export | import | merge | show`` and ``sb3-isr fit``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import torch

from sb3_isr.label_tools.environment_spaces import spaces_of_environment
from sb3_isr.label_tools.fit import fit, read_kwargs, warning_of
from sb3_isr.label_tools.sources import read_source
from sb3_isr.label_tools.summary import describe_disagreements, describe_labels
from sb3_isr.labels.attributed import AttributedLabels
from sb3_isr.labels.label_formats import write_labels
from sb3_isr.labels.merging import disagreements, merge_labels


def run_labels(arguments: argparse.Namespace) -> int:
    """
    Carry out ``sb3-isr labels`` or ``sb3-isr fit``.

    :param arguments: The arguments; ``action`` says which command it is.
    :return: Exit status.
    :raises ValueError: If an argument is wrong, or a file cannot be read or written.
    """
    actions: dict[str, Callable[[argparse.Namespace], None]] = {
        "export": _convert,
        "import": _convert,
        "merge": _merge,
        "show": _show,
        "fit": _fit,
    }
    try:
        actions[arguments.action](arguments)
    except OSError as error:
        raise ValueError(f"Files must be there, and folders have room and permission, got {error}.") from error
    return 0


def _convert(arguments: argparse.Namespace) -> None:
    labels = _read(arguments)
    if arguments.by is not None:
        labels = labels.signed(arguments.by)
    write_labels(arguments.out, labels)
    print(f"{arguments.out}: {len(labels):,} labels")


def _merge(arguments: argparse.Namespace) -> None:
    # Those who do not give their names are still told apart.
    parts = [read_source(path).signed(path.name) for path in arguments.sources]
    merged = merge_labels(parts)
    print(describe_disagreements(*disagreements(merged)))
    write_labels(arguments.out, merged)
    print(f"{arguments.out}: {len(merged):,} labels of {sum(map(len, parts)):,}")


def _show(arguments: argparse.Namespace) -> None:
    print(describe_labels(_read(arguments)))


def _fit(arguments: argparse.Namespace) -> None:
    isr_kwargs = read_kwargs("--isr-kwargs", arguments.isr_kwargs)
    trainer_kwargs = read_kwargs("--trainer-kwargs", arguments.trainer_kwargs)
    labels = _read(arguments)
    torch.set_num_threads(1)  # networks this small only wait for a second thread
    isr, metrics = fit(labels, arguments.seed, isr_kwargs, trainer_kwargs)
    isr.save(arguments.out)
    print(f"ISR trained on {metrics.summary()}\nISR: {arguments.out}")
    if (warning := warning_of(labels, metrics)) is not None:
        print(f"Warning: {warning}", file=sys.stderr)


def _read(arguments: argparse.Namespace) -> AttributedLabels:
    spaces = None if arguments.env is None else spaces_of_environment(arguments.env)
    return read_source(arguments.source, spaces)
