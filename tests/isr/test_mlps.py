import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sb3_isr.isr.mlps import EnsembleMLP, make_network, orthogonal_init

FEATURES = torch.linspace(-2, 2, 21).view(7, 3)


def layers_of(net: EnsembleMLP, member: int) -> list[tuple[Any, Any]]:
    """The weights and biases of one member."""
    pairs = zip(net.weights, net.biases, strict=True)
    return [(weight[member].detach().numpy(), bias[member].detach().numpy()) for weight, bias in pairs]


def test_members_are_what_single_networks_with_their_weights_would_be() -> None:
    net = EnsembleMLP(5, 3, [16, 8], nn.ReLU)
    outputs = net(FEATURES).detach().numpy()
    assert outputs.shape == (5, 7)
    for member in range(5):
        *hidden, (weight, bias) = layers_of(net, member)
        value = FEATURES.numpy()
        for hidden_weight, hidden_bias in hidden:
            value = np.maximum(value @ hidden_weight + hidden_bias, 0)
        np.testing.assert_allclose(outputs[member], (value @ weight + bias)[:, 0], rtol=1e-4, atol=1e-5)
    assert outputs.std(axis=0).min() > 0


@pytest.mark.parametrize(("n_members", "shape"), [(1, (7, 1)), (2, (2, 7))])
@pytest.mark.parametrize("net_arch", [[], [4], [4, 5]])
def test_a_network_has_one_output_for_each_member(n_members: int, shape: tuple[int, int], net_arch: list[int]) -> None:
    assert make_network(n_members, 3, net_arch, nn.Tanh)(FEATURES).shape == shape


def test_members_start_as_torchs_linear_layers_do() -> None:
    """Uniform within the inverse square root of the number of inputs."""
    net = EnsembleMLP(20, 4, [50], nn.ReLU)
    for parameter, bound in ((net.weights[0], 0.5), (net.biases[0], 0.5), (net.weights[1], 50**-0.5)):
        assert 0.95 * bound < parameter.abs().max() <= bound
        assert parameter.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_a_copy_has_its_own_weights(copied: Any) -> None:
    """The network also holds its parameters in a plain list, which must follow the copy."""
    net = EnsembleMLP(2, 3, [4], nn.ReLU)
    before = net(FEATURES)
    other = copied(net)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert not other(FEATURES).any()
    assert torch.equal(net(FEATURES), before)


def test_orthogonal_weights_have_gain_sqrt_2_and_zero_biases() -> None:
    ensemble, linear, convolution = EnsembleMLP(2, 8, [4], nn.ReLU), nn.Linear(8, 4, bias=False), nn.Conv2d(2, 3, 2)
    for module in (ensemble, linear, convolution):
        module.apply(orthogonal_init)
    rows = [*(weight.T for weight in ensemble.weights[0]), linear.weight, convolution.weight.flatten(1)]
    for weight in rows:
        torch.testing.assert_close(weight @ weight.T, 2 * torch.eye(len(weight)))
    assert not any(bias.any() for bias in (*ensemble.biases, convolution.bias) if bias is not None)
