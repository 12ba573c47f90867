import re
from typing import Any

import pytest
from torch import nn

from sb3_isr import NoisyCaregiver
from sb3_isr.common.dotted_names import import_classes, import_name, import_plain


def test_a_name_is_imported() -> None:
    assert import_name("sb3_isr.NoisyCaregiver") is NoisyCaregiver
    assert import_name("torch.nn.ReLU") is nn.ReLU


@pytest.mark.parametrize("name", ["sb3_isr.Nobody", "nowhere.Caregiver", "NoisyCaregiver", "", "a b"])
def test_a_name_that_cannot_be_imported_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"got {name!r}") + ".*write package.module.Name"):
        import_name(name)


def test_a_name_may_come_with_keyword_arguments() -> None:
    kwargs = {"std": 0.1}
    assert import_plain("sb3_isr.NoisyCaregiver") == (NoisyCaregiver, {})
    imported, copied = import_plain({"sb3_isr.NoisyCaregiver": kwargs})
    assert (imported, copied) == (NoisyCaregiver, kwargs)
    assert copied is not kwargs  # RL Zoo shares keyword arguments by reference


@pytest.mark.parametrize("plain", [{}, {"sb3_isr.NoisyCaregiver": {}, "std": 1}])
def test_yaml_must_name_one_class(plain: Any) -> None:
    with pytest.raises(ValueError, match=r"one class.*check the indentation"):
        import_plain(plain)


def test_only_arguments_that_are_classes_are_imported() -> None:
    kwargs = {
        "features_extractor_class": "sb3_isr.GridCNN",
        "activation_fn": "torch.nn.Tanh",
        "optimizer_class": nn.ReLU,
        "limit_to_labels": "values",
    }
    imported = import_classes(kwargs)
    assert imported["features_extractor_class"].__name__ == "GridCNN"
    assert imported["activation_fn"] is nn.Tanh
    assert imported["optimizer_class"] is nn.ReLU
    assert imported["limit_to_labels"] == "values"
    assert kwargs["activation_fn"] == "torch.nn.Tanh"  # the caller's own arguments are left alone
    assert import_classes(None) == {}
    with pytest.raises(ValueError, match=r"got 'torch\.nn\.Nothing'"):
        import_classes({"activation_fn": "torch.nn.Nothing"})
