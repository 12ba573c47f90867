"""Where labels come from: files of labels, checkpoints, mailboxes."""

from __future__ import annotations

from pathlib import Path

from sb3_isr.callbacks.checkpoint_folder import CheckpointFolder
from sb3_isr.isr.file_format import read_spaces
from sb3_isr.label_tools.answered import labels_of_answers
from sb3_isr.labels.attributed import AttributedLabels, Spaces
from sb3_isr.labels.label_formats import read_labels
from sb3_isr.respondents.mailbox import Mailbox

#: The files of a checkpoint that are read.
_LABELS, _ISR = "labels.npz", "isr.safetensors"


def read_source(path: Path, spaces: Spaces | None = None) -> AttributedLabels:
    """
    Read labels.

    :param path: A file of labels; the folder of checkpoints, or of one of them, or the ``labels.npz`` in it; a mailbox.
    :param spaces: The spaces of a file that does not say them; any other source must have the same.
    :return: The labels.
    :raises ValueError: If it is none of these, is damaged, or has other spaces.
    """
    if not path.exists():
        raise ValueError(
            f"Labels must be in a file, a checkpoint's folder or a mailbox, got {path}, which is not there."
        )
    if path.is_dir():
        return _of_checkpoint(_checkpoint(path), spaces)
    if path.suffix == ".sqlite":
        labels = _of_mailbox(path)
    elif path.name == _LABELS and (path.parent / _ISR).exists():
        return _of_checkpoint(path.parent, spaces)
    else:
        return read_labels(path, spaces)
    if spaces is not None:
        labels.check_spaces(spaces)
    return labels


def _checkpoint(folder: Path) -> Path:
    if (folder / _LABELS).exists():
        return folder
    newest = CheckpointFolder(folder).newest()
    if newest is None:
        raise ValueError(f"A folder with labels must be that of ISRCheckpoint, got {folder}, which has no checkpoint.")
    return newest


def _of_checkpoint(folder: Path, spaces: Spaces | None) -> AttributedLabels:
    labels = read_labels(folder / _LABELS, Spaces(*read_spaces(folder / _ISR)))
    if spaces is not None:
        labels.check_spaces(spaces)
    return labels


def _of_mailbox(path: Path) -> AttributedLabels:
    with Mailbox(path, must_exist=True) as mailbox:
        spaces = mailbox.spaces()
        if spaces is None:
            raise ValueError(
                f"A mailbox must have the spaces of a training, got {path}, to which none has put questions."
            )
        return labels_of_answers(mailbox.answers(), mailbox.question, spaces)
