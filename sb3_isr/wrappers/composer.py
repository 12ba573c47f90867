"""The one place where the equation is applied to transitions; both ISR wrappers are shells around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sb3_isr.common.spaces import Array, Observations, copy, take
from sb3_isr.labels.store import LabelBatch, Unlabelled, joined
from sb3_isr.wrappers.isr_actions import Hearing
from sb3_isr.wrappers.utility import utility

#: ``R_i`` of a batch: ``InternalSocialReward.predict``, or any function of observations and actions like it.
InternalReward = Callable[[Observations, Array], Array]


class Sums(NamedTuple):
    """
    What the wrapper saw since it was last asked, added up over transitions (or, for the last two, episodes).

    Numbers of transitions, and the sums of their U, R_e, R_s (the true one, also while the caregiver is absent), R_i
    (while it is absent) and P; the number of finished episodes, and the sum of their true social returns.
    """

    transitions: float = 0.0
    utility: float = 0.0
    environment_reward: float = 0.0
    social_reward: float = 0.0
    internal_reward: float = 0.0
    presence: float = 0.0
    episodes: float = 0.0
    social_return: float = 0.0


class RewardComposer:
    """
    Turns the true rewards of environments that step together into utilities, and keeps what the caregiver said.

    Until something is connected it returns rewards as they come.

    :param n_envs: How many environments step together.
    :param hearing: What the ISR hears as the action.
    :param internal_reward: If given, it is connected for good, and no caregiver ever attends.
    """

    def __init__(self, n_envs: int, hearing: Hearing, internal_reward: InternalReward | None = None) -> None:
        self.n_envs = n_envs
        self._hearing = hearing
        self._is_for_good = False
        self._internal_reward: InternalReward | None = None
        self._coefficient = 1.0
        self._probability = 0.0
        self._rngs: list[np.random.Generator] = []
        self._present = np.zeros(n_envs, bool)
        self._all_present = False
        # Presence is drawn at an episode's first step, so that an end and the reset after it are one start.
        self._starts = np.ones(n_envs, bool)
        self._labels: list[LabelBatch] = []
        self._keeps_unlabelled = False
        self._unlabelled: list[LabelBatch] = []
        # U, R_e, R_s, R_i and P of each environment by itself: it costs less to add five rows than to sum each.
        self._sums = np.zeros((5, n_envs))
        self._transitions = 0
        self._episodes = 0
        self._social_return = 0.0
        self._social_returns = np.zeros(n_envs)
        self._no_internal_rewards = np.full(n_envs, np.nan)
        self._last_internal_rewards: Array = self._no_internal_rewards
        if internal_reward is not None:
            self.connect(internal_reward, probability=0.0)
            self._is_for_good = True

    def connect(
        self,
        internal_reward: InternalReward,
        probability: float,
        coefficient: float = 1.0,
        rngs: Sequence[np.random.Generator] | None = None,
        keeps_unlabelled: bool = False,
    ) -> None:
        """
        From now on rewards become utilities.

        :param internal_reward: Gives ``R_i``.
        :param probability: That the caregiver attends an episode.
        :param coefficient: ``R_i`` is multiplied by it; with 0 the internal reward is not even asked for.
        :param rngs: One generator for each environment, from which its caregiver's presence is drawn.
        :param keeps_unlabelled: Keep transitions that no caregiver attends too, so that it can be called back to them.
        :raises ValueError: If an ISR was connected for good.
        """
        if self._is_for_good:
            raise ValueError(
                "An ISR wrapper that was made with an ISR of its own cannot be connected to an ISRCallback; "
                "give the ISR to the callback instead: ISRCallback(presence=..., isr=isr)."
            )
        self._rngs = list(rngs or np.random.default_rng().spawn(self.n_envs))
        self._keeps_unlabelled = keeps_unlabelled
        self.update(internal_reward, probability, coefficient)

    def update(self, internal_reward: InternalReward, probability: float, coefficient: float) -> None:
        """
        :param internal_reward: Gives ``R_i`` from now on.
        :param probability: That the caregiver attends an episode that starts from now on.
        :param coefficient: ``R_i`` is multiplied by it from now on.
        """
        self._internal_reward = internal_reward
        self._coefficient = coefficient
        self._probability = probability

    def disconnect(self) -> None:
        """From now on rewards are left as they come. Who attends the running episodes is remembered."""
        self._internal_reward = None

    def reset(self) -> None:
        """Every environment starts an episode."""
        self._social_returns[:] = 0.0
        self._starts[:] = True

    def compose(
        self,
        observations: Observations,
        actions: Array,
        rewards: Array,
        dones: Array,
        infos: Sequence[dict[str, Any]],
    ) -> Array:
        """
        :param observations: What the learner saw before it acted, ``[n_envs, *shape]``.
        :param actions: What the environments were told, ``[n_envs, *shape]``.
        :param rewards: The true rewards, ``[n_envs]``; left as they are.
        :param dones: Whether an episode ended, bool ``[n_envs]``.
        :param infos: ``social_reward`` is the caregiver's label; without the key there is none.
        :return: The utilities in a fresh floating array ``[n_envs]``; the rewards themselves if unconnected.
        :raises ValueError: If a label is not a finite number.
        """
        dones = np.asarray(dones, bool)  # SuperSuit's are uint8
        if self._internal_reward is None:
            self._starts |= dones
            return rewards
        actions = self._hearing(actions, infos)
        if self._starts.any():
            self._draw_presence()
        said = [info.get("social_reward") for info in infos]
        dtype = np.promote_types(rewards.dtype, np.float32)
        social_rewards = np.array([0.0 if label is None else label for label in said], dtype)
        if not np.isfinite(social_rewards).all():
            raise ValueError(
                f'info["social_reward"] must be a finite number, got {said}; leave the key out where there is no label.'
            )
        internal_rewards = np.zeros(self.n_envs)
        if self._all_present:
            utilities = rewards.astype(dtype)  # as the equation says where P = 1
            self._last_internal_rewards = self._no_internal_rewards
        else:
            if self._coefficient:
                internal_rewards = self._coefficient * self._internal_reward(observations, actions) * ~self._present
            utilities = utility(rewards, social_rewards, internal_rewards, self._present).astype(dtype)
            self._last_internal_rewards = np.where(self._present, np.nan, internal_rewards)

        if self._present.any():
            self._keep_labels(observations, actions, social_rewards, said)
        if self._keeps_unlabelled and not self._all_present:
            missed = np.flatnonzero(~self._present)
            would_say = np.array([np.nan if said[i] is None else said[i] for i in missed], np.float32)
            self._unlabelled.append(LabelBatch(take(observations, missed), actions[missed], would_say))
        self._transitions += self.n_envs
        self._sums += (utilities, rewards - social_rewards, social_rewards, internal_rewards, self._present)
        self._social_returns += social_rewards
        if dones.any():
            self._end_episodes(dones)
        return utilities

    def rngs(self) -> list[np.random.Generator]:
        """
        :return: The generators, as they are by now: in another process they are copies of those given to `connect`.
        """
        return self._rngs

    def take_labels(self) -> LabelBatch | None:
        """
        :return: The labels given since the last call, oldest first; None if there are none.
        """
        labels, self._labels = self._labels, []
        return joined(labels) if labels else None

    def take_unlabelled(self) -> Unlabelled | None:
        """
        :return: What the caregiver missed since the last call, oldest first; None if there is nothing, or it is not
            kept.
        """
        unlabelled, self._unlabelled = self._unlabelled, []
        return Unlabelled(joined(unlabelled)) if unlabelled else None

    def last_internal_rewards(self) -> Array:
        """
        :return: ``R_i`` in the utilities of the last step, ``[n_envs]``; NaN where the caregiver attended.
        """
        return self._last_internal_rewards

    def take_sums(self) -> Sums:
        """
        :return: What happened since the last call.
        """
        of_steps = self._sums.sum(axis=1).tolist()
        sums = Sums(*(self._transitions, *of_steps, self._episodes, self._social_return))
        self._sums[:] = 0.0
        self._transitions, self._episodes, self._social_return = 0, 0, 0.0
        return sums

    def __getstate__(self) -> dict[str, Any]:
        """A checkpoint of the environments holds no copy of the callback's ISR."""
        return {**vars(self), "_internal_reward": self._internal_reward if self._is_for_good else None}

    def _draw_presence(self) -> None:
        for i in np.flatnonzero(self._starts):
            self._present[i] = self._rngs[i].random() < self._probability
        self._starts[:] = False
        self._all_present = bool(self._present.all())

    def _keep_labels(
        self, observations: Observations, actions: Array, social_rewards: Array, said: Sequence[float | None]
    ) -> None:
        if self._all_present and None not in said:
            self._labels.append(LabelBatch(copy(observations), actions.copy(), social_rewards))
            return
        index = np.flatnonzero(self._present & np.array([label is not None for label in said]))
        if len(index):
            self._labels.append(LabelBatch(take(observations, index), actions[index], social_rewards[index]))

    def _end_episodes(self, dones: Array) -> None:
        self._episodes += int(dones.sum())
        self._social_return += float(self._social_returns[dones].sum())
        self._social_returns[dones] = 0.0
        self._starts |= dones
