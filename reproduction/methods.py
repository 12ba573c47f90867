"""The methods of the study of few labels."""

from __future__ import annotations

from dataclasses import replace

from reproduction.runs import Method

#: Numbers of labels in the study of few labels.
LABEL_COUNTS = (100, 200, 500, 1000, 3000, 10_000, None)

#: The default ISR, and random labels.
BASELINE = Method("one")
#: The same network and labels, with all options that help with few labels.
CAREFUL = Method("careful", limit_to_labels=True, l1_coef=0.006, action_contrast=True)
#: Five members, and half of the labels are for queries about what they disagree on.
QUERYING = replace(
    CAREFUL,
    name="careful, uncertainty queries",
    n_members=5,
    pessimism=1.0,
    half_praised=True,
    queries="uncertainty",
    watched=True,
)
_FIVE = replace(CAREFUL, name="careful, five members", n_members=5, pessimism=1.0)
#: The methods, and the numbers of labels at which each is tried. After the first three, each leaves one part out.
METHODS: dict[Method, tuple[int | None, ...]] = {
    BASELINE: LABEL_COUNTS,
    CAREFUL: (25, 50, 100, 200, 500, None),
    QUERYING: (25, 50, 100, 200, 500),
    replace(CAREFUL, name="careful, no action contrast", action_contrast=False): (100,),
    replace(CAREFUL, name="careful, no L1 penalty", l1_coef=0.0): (100,),
    replace(CAREFUL, name="careful, no limit", limit_to_labels=False): (100,),
    _FIVE: (100,),
    replace(_FIVE, name="careful, five members, no pessimism", pessimism=0.0): (100,),
    replace(QUERYING, name="careful, uncertainty queries, no watch", watched=False): (50,),
    replace(QUERYING, name="careful, random queries", queries="random"): (50,),
    Method("five members", n_members=5, pessimism=1.0): (500,),
}
