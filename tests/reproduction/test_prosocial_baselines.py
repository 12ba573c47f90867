"""Between what a learner of the prosocial game lies."""

from reproduction.prosocial_baselines import goals_per_episode, helper, random_learner


def test_a_helper_reaches_what_a_random_learner_does_not() -> None:
    by_helper = goals_per_episode(helper, n_games=64)
    assert 4.5 < by_helper.mean() < 5.2
    assert by_helper.min() >= 3
    assert 0 < goals_per_episode(random_learner(), n_games=512).mean() < 0.06


def test_the_seed_decides_everything() -> None:
    one, other = (goals_per_episode(helper, 16, seed).tolist() for seed in (1, 2))
    assert one == goals_per_episode(helper, 16, seed=1).tolist() != other
