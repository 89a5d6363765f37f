"""The softmax lab computes the package's log-probabilities and entropies, and their gradients, for logits of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kit import TOLERANCE, explorables, module, node

import ppo_core.policy

ROWS = [
    [0.0, 0.0, 0.0],
    [1.4, 0.7, 0.7],
    [6.0, 0.0, -1.0],
    [-6.0, 6.0, 6.0],
    [-2.5, 0.3, 1.7],
    [1e4, -1e4, 9999.0],
    [-1e4, -1e4, -1e4],
]


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 3.0, 10.0])
def test_log_probabilities_entropy_and_gradients_are_those_of_the_package(temperature: float) -> None:
    got = node(
        f"""import {{ entropy, entropyGradient, logSoftmax, scoreGradient, softmax }} from {module("softmax")};
        const T = input.temperature;
        answer(input.rows.map((z) => [0, 1, 2].map((a) => ({{
          logprob: logSoftmax(z, T)[a], prob: softmax(z, T)[a], entropy: entropy(z, T), score: scoreGradient(z, T, a), bonus: entropyGradient(z, T) }}))));""",
        {"rows": ROWS, "temperature": temperature},
    )
    for row, answers in zip(ROWS, got, strict=True):
        logits = torch.tensor([row] * 3, dtype=torch.float64, requires_grad=True)
        logprobs, entropy = ppo_core.policy.categorical(logits / temperature, torch.arange(3))
        (score,) = torch.autograd.grad(logprobs.sum(), logits, retain_graph=True)
        (bonus,) = torch.autograd.grad(entropy.sum(), logits)
        expected = {
            "logprob": logprobs,
            "prob": logprobs.exp(),
            "entropy": entropy,
            "score": score,
            "bonus": bonus,
        }
        for name, tensor in expected.items():
            mine = np.array([answer[name] for answer in answers], dtype=np.float64)
            np.testing.assert_allclose(
                mine, tensor.detach().numpy(), atol=TOLERANCE, rtol=1e-9, err_msg=f"{name} of {row}"
            )


def test_pulls_add_up_to_zero_and_the_probabilities_to_one() -> None:
    got = node(
        f"""import {{ entropyGradient, scoreGradient, softmax }} from {module("softmax")};
        const sum = (x) => x.reduce((a, b) => a + b, 0);
        answer(input.map((z) => [sum(softmax(z, 1)) - 1, sum(scoreGradient(z, 1, 1)), sum(entropyGradient(z, 1))]));""",
        ROWS,
    )
    np.testing.assert_allclose(np.array(got), 0.0, atol=TOLERANCE)


def test_state_of_the_page_and_its_limits() -> None:
    lab = explorables.SoftmaxLab(ent_coef=0.5, action="2")
    state = lab.page_state()
    assert {"logit_0", "logit_1", "logit_2", "temperature", "action", "ent_coef"} <= set(state)
    assert state["ent_coef"] == 0.5 and state["action"] == "2"
    for wrong in ({"temperature": 0.0}, {"logit_0": 7.0}, {"action": "3"}, {"ent_coef": -1.0}):
        with pytest.raises(Exception, match=next(iter(wrong))):
            explorables.SoftmaxLab(**wrong)
