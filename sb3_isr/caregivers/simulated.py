"""Simulated caregivers, which get their labels from the environment."""

from sb3_isr.caregivers.base import Caregiver, Transition


class TaskRewardCaregiver(Caregiver):
    """Declares the environment's own reward to be social, so that ``R_e = 0``. The total reward does not change."""

    def social_reward(self, transition: Transition) -> float:
        """
        Label a transition.

        :param transition: The transition.
        :return: The environment's reward.
        """
        return transition.reward

    def environment_reward(self, transition: Transition) -> float:
        """
        Get the part of the reward that is not social.

        :param transition: The transition.
        :return: 0.
        """
        return 0.0


class PraiseCaregiver(Caregiver):
    """
    Passes on the social reward of an environment that writes one itself, as the coin game does.

    Such an environment needs no caregiver; use this one under an imperfect caregiver.
    """

    def social_reward(self, transition: Transition) -> float | None:
        """
        Label a transition.

        :param transition: The transition.
        :return: ``info["social_reward"]``; None without the key.
        """
        return transition.info.get("social_reward")
