"""Caregivers that know an environment's reward and pass it on as theirs."""

from sb3_isr.caregivers.base import Caregiver, Transition


class TaskRewardCaregiver(Caregiver):
    """Declares any environment's own reward to be the social one, so that ``R_e = 0``; no number changes by it."""

    def social_reward(self, transition: Transition) -> float:
        """
        :param transition: What the learner did.
        :return: The environment's reward.
        """
        return transition.reward

    def environment_reward(self, transition: Transition) -> float:
        """
        :param transition: What the learner did.
        :return: 0.
        """
        return 0.0


class PraiseCaregiver(Caregiver):
    """
    Gives the social reward that the environment itself writes, as the coin game does.

    Such an environment needs no caregiver beside it; this one is for imperfect caregivers to be composed over.
    """

    def social_reward(self, transition: Transition) -> float | None:
        """
        :param transition: What the learner did.
        :return: ``info["social_reward"]``, None without the key.
        """
        return transition.info.get("social_reward")
