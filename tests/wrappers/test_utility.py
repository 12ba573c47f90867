"""The equation, element by element."""

import numpy as np
import pytest

from sb3_isr.wrappers.utility import utility


# U = R_e + P R_s + (1 - P) R_i, worked out by hand; the function is given R_e + R_s.
@pytest.mark.parametrize(
    ("environment", "social", "internal", "presence", "expected"),
    [
        (-0.25, 0.5, 0.125, 1.0, 0.25),
        (-0.25, 0.5, 0.125, 0.0, -0.125),
        (-0.25, 0.5, 0.125, 0.25, -0.03125),
        (0.0, 0.0, 0.75, 0.5, 0.375),
        (2.0, -1.0, 4.0, 0.75, 2.25),
    ],
)
def test_the_equation(environment: float, social: float, internal: float, presence: float, expected: float) -> None:
    columns = (np.array([value]) for value in (environment + social, social, internal, presence))
    assert utility(*columns) == np.array([expected])


def test_true_reward_comes_out_bit_for_bit_while_the_caregiver_is_present() -> None:
    rng = np.random.default_rng(0)
    social = rng.normal(size=10_000).astype(np.float32)
    reward = (rng.normal(size=10_000) * 10.0 ** rng.integers(-5, 5, 10_000) + social).astype(np.float32)
    present = utility(reward, social, rng.normal(size=10_000), np.ones(10_000))
    np.testing.assert_array_equal(present.astype(np.float32), reward)


def test_no_social_reward_is_left_in_autonomy_where_the_whole_reward_was_social() -> None:
    reward = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    np.testing.assert_array_equal(utility(reward, reward, np.zeros(10_000), np.zeros(10_000)), 0.0)
