"""ZooISRCallback: ISRCallback for RL Zoo, which gives callbacks plain values and tells them nothing about the run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from io import BufferedIOBase
from pathlib import Path

from sb3_isr.callbacks.internalizer import InternalizationState
from sb3_isr.callbacks.isr_callback import ISRCallback
from sb3_isr.schedules.query_scheduler import QueryCounts


def isr_folder(model_path: str | os.PathLike[str]) -> Path:
    """
    :param model_path: Where a learner is saved, with or without ``.zip``.
    :return: The folder beside it in which its ISR is kept.
    """
    path = os.fspath(model_path)
    return Path(f"{path.removesuffix('.zip')}.isr")


class ZooISRCallback(ISRCallback):
    """
    :class:`~sb3_isr.ISRCallback` for RL Zoo: whenever the learner is saved, be it the last, the best or a checkpoint,
    the ISR and its labels are saved beside it, in a folder that ends in ``.isr``; and ``-i`` (``--trained-agent``)
    goes on with those of the learner that it names. Presence then goes on where it was, in fractions of the first
    training: who had left for good stays away, and who looked in goes on looking in.

    Off-policy, what is in a replay buffer that RL Zoo loads stays as it is; ``relabel`` exchanges what is stored from
    then on.

    The arguments are those of :class:`~sb3_isr.ISRCallback`.
    """

    # Of the trainings that this one continues: their steps, and the length of the first, of which presence schedules
    # name fractions. 0 where there is none.
    _steps_before = 0
    _steps_planned = 0
    _is_learning = False

    def _init_callback(self) -> None:
        super()._init_callback()
        if vars(self.model).get("save") == self._save:  # learn was called again
            return
        trained_agent = _trained_agent()
        if trained_agent is not None:
            self._continue(isr_folder(trained_agent))
        # Best model, checkpoints and last model are saved by three parts of RL Zoo, that have this call in common.
        self.model.save = self._save  # type: ignore[method-assign]

    def _on_training_start(self) -> None:
        super()._on_training_start()
        self._is_learning = True

    def _on_training_end(self) -> None:
        super()._on_training_end()
        self._is_learning = False  # and RL Zoo closes the environments before it saves

    def _progress(self) -> float:
        if not self._steps_planned:
            return super()._progress()
        # Past the end the schedules go on.
        return (self._steps_before + self.model.num_timesteps) / self._steps_planned

    def _save(
        self,
        path: str | os.PathLike[str] | BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """As the learner's own ``save``, and the ISR beside it."""
        # This method is no part of the learner, and must not be pickled with it.
        type(self.model).save(self.model, path, exclude=[*(exclude or ()), "save"], include=include)  # type: ignore[arg-type]
        if isinstance(path, BufferedIOBase):  # there is no beside
            return
        folder = isr_folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        if self._is_learning:
            self.collect()
        self.internalizer.save(folder)
        progress = {
            "steps": self._steps_before + self.model.num_timesteps,
            "steps_planned": self._steps_planned or self.model._total_timesteps,
            "internalization": asdict(self.internalizer.state),
            "queries": asdict(self.internalizer.queries.counts),
        }
        (folder / "progress.json").write_text(json.dumps(progress))

    def _continue(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"The ISR of a trained agent is kept beside it, but there is no folder {os.fspath(folder)!r}; put it "
                "there, or, if the agent was trained without sb3-isr, train a new one."
            )
        self.internalizer.load(folder)
        progress = json.loads((folder / "progress.json").read_text())
        self._steps_before, self._steps_planned = progress["steps"], progress["steps_planned"]
        self.internalizer.state = InternalizationState(**progress["internalization"])
        self.internalizer.queries.counts = QueryCounts(**progress["queries"])


def _trained_agent() -> str | None:
    # RL Zoo tells only its command line which agent it continues: read the same option from the same place.
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-i", "--trained-agent", default="")
    arguments, _ = parser.parse_known_args()
    return arguments.trained_agent or None
