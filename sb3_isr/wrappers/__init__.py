"""Environment wrappers: one adds a caregiver, two turn the true reward into the utility."""

from sb3_isr.wrappers.frame_recorder import FrameRecorder
from sb3_isr.wrappers.isr_reward import ISRRewardWrapper
from sb3_isr.wrappers.social_reward import SocialRewardWrapper
from sb3_isr.wrappers.vec_isr_reward import VecISRReward

__all__ = ["FrameRecorder", "ISRRewardWrapper", "SocialRewardWrapper", "VecISRReward"]
