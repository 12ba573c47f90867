"""
Checks for your own tests: what sb3-isr requires of a caregiver, a presence schedule, an ISR or an environment.

.. code-block:: python

    def test_my_parts():
        check_caregiver(MyCaregiver(), gym.make("CartPole-v1"))
        check_presence(MySchedule())
        check_isr(InternalSocialReward(observation_space, action_space, features_extractor_class=MyExtractor))
        check_env(MyEnv())  # an environment that itself writes info["social_reward"]

Each raises :class:`ConformanceError`, an AssertionError with the rule, the value met and the remedy, if a rule is
broken. Exceptions that your own code raises are passed on. The checked objects are not modified, except that
environments and their action spaces are seeded, and environments are reset and stepped.
"""

from sb3_isr.testing.caregivers import check_caregiver
from sb3_isr.testing.conformance import ConformanceError
from sb3_isr.testing.environments import check_env
from sb3_isr.testing.isr import check_isr
from sb3_isr.testing.presence import check_presence

__all__ = ["ConformanceError", "check_caregiver", "check_env", "check_isr", "check_presence"]
