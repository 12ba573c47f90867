"""ZooISRCallback: ISRCallback for RL Zoo, which passes plain values to callbacks and nothing about the run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from io import BufferedIOBase
from pathlib import Path

import cloudpickle

from sb3_isr.callbacks.internalizer import InternalizationState
from sb3_isr.callbacks.isr_callback import ISRCallback
from sb3_isr.callbacks.reviews import ReviewedInternalizer
from sb3_isr.schedules.query_scheduler import QueryCounts


def isr_folder(model_path: str | os.PathLike[str]) -> Path:
    """
    Get the folder in which a learner's ISR is kept.

    :param model_path: Where the learner is saved, with or without ``.zip``.
    :return: The folder beside it.
    """
    path = os.fspath(model_path)
    return Path(f"{path.removesuffix('.zip')}.isr")


class ZooISRCallback(ISRCallback):
    """
    An :class:`~sb3_isr.ISRCallback` for RL Zoo, which saves the ISR beside the learner.

    Whenever the learner is saved (the last one, the best one, checkpoints), the ISR, its labels and the state of child
    callbacks are saved beside it, in a folder that ends in ``.isr``. With ``-i`` (``--trained-agent``) training
    continues with those of that agent. So does presence, in fractions of the first training: a caregiver who had left
    for good stays absent, and one who came back at intervals still does.

    Off-policy, the rewards in a replay buffer that RL Zoo loads stay as they are; ``relabel`` replaces those that are
    stored from then on.

    The arguments are those of :class:`~sb3_isr.ISRCallback`.
    """

    # Of the trainings that this one continues: their steps, and the length of the first, of which presence schedules
    # name fractions. 0 where there is none.
    _steps_before = 0
    _steps_planned = 0

    def _init_callback(self) -> None:
        super()._init_callback()
        if vars(self.model).get("save") == self._save:  # learn was called again
            return
        trained_agent = _trained_agent()
        if trained_agent is not None:
            self._continue(isr_folder(trained_agent))
        # Best model, checkpoints and last model are saved by three parts of RL Zoo, that have this call in common.
        self.model.save = self._save  # type: ignore[method-assign]

    def _progress(self) -> float:
        if not self._steps_planned:
            return super()._progress()
        # Schedules continue past the end of the first training.
        return (self._steps_before + self.model.num_timesteps) / self._steps_planned

    def _save(
        self,
        path: str | os.PathLike[str] | BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the learner as its own ``save`` does, and the ISR beside it."""
        # This method is no part of the learner, and must not be pickled with it.
        type(self.model).save(self.model, path, exclude=[*(exclude or ()), "save"], include=include)  # type: ignore[arg-type]
        if isinstance(path, BufferedIOBase):  # in memory nothing is beside it
            return
        folder = isr_folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        self.collect()
        self.internalizer.save(folder)
        # A pickle, as the learner's own file beside it.
        children = {type(child).__name__: child.state_dict() for child in self.children}
        (folder / "children.pkl").write_bytes(cloudpickle.dumps(children))
        if isinstance(self.internalizer, ReviewedInternalizer):
            (folder / "answers.pkl").write_bytes(cloudpickle.dumps(self.internalizer.book.state_dict()))
        progress = {
            "steps": self._steps_before + self.model.num_timesteps,
            "steps_planned": self._steps_planned or self.model._total_timesteps,
            "internalization": asdict(self.internalizer.state),
            "queries": asdict(self.internalizer.scheduler.counts),
            "coefficient": None if self.coefficient == self.given_coefficient else self.coefficient,
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
        progress["queries"].pop("rewarded", None)  # counted by sb3-isr before queries stopped to look at labels
        self.internalizer.scheduler.counts = QueryCounts(**progress["queries"])
        if isinstance(self.internalizer, ReviewedInternalizer) and (folder / "answers.pkl").exists():
            self.internalizer.book.load_state_dict(cloudpickle.loads((folder / "answers.pkl").read_bytes()))
        if progress["coefficient"] is not None:
            self.set_coefficient(progress["coefficient"])
        children = cloudpickle.loads((folder / "children.pkl").read_bytes())
        for child in self.children:
            if type(child).__name__ in children:  # the entry may name others now
                child.load_state_dict(children[type(child).__name__])


def _trained_agent() -> str | None:
    # RL Zoo passes this option to no callback: read it from the command line as it does.
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-i", "--trained-agent", default="")
    arguments, _ = parser.parse_known_args()
    return arguments.trained_agent or None
