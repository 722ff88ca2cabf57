"""What a turn cost, and what a model can hold."""

from typing import Any

import pytest

from midstream.messages import Usage
from midstream.turn.price import context_window, cost_usd, load_prices

SONNET = "claude-sonnet-4-5"  # 3 $ a million tokens in, 15 $ out, 0.30 $ cached, 3.75 $ to cache

PRICES = [
    pytest.param(Usage(input_tokens=1_000), 0.003, id="read fresh"),
    pytest.param(Usage(output_tokens=1_000), 0.015, id="written"),
    pytest.param(Usage(cache_read_tokens=1_000), 0.0003, id="read from the cache"),
    pytest.param(Usage(cache_write_tokens=1_000), 0.00375, id="written to the cache"),
    pytest.param(Usage(1_000, 1_000, 1_000, 1_000), 0.02205, id="each counts once"),
    pytest.param(Usage(output_tokens=1_000, reasoning_tokens=900), 0.015, id="thinking is output"),
    pytest.param(Usage(), 0.0, id="nothing costs nothing"),
]


@pytest.mark.parametrize(("usage", "dollars"), PRICES)
def test_each_kind_of_token_has_its_price(usage: Usage, dollars: float) -> None:
    assert cost_usd("anthropic", SONNET, usage) == pytest.approx(dollars)


@pytest.mark.parametrize("model", ["no-such-model", ""])
def test_an_unknown_price_is_none_and_never_zero(model: str) -> None:
    assert cost_usd("anthropic", model, Usage(1_000, 1_000)) is None


def test_an_unknown_provider_has_no_price() -> None:
    assert cost_usd("no-such-provider", "no-such-model", Usage(1_000, 1_000)) is None


def test_the_lists_can_be_loaded_beforehand() -> None:
    load_prices()


WINDOWS: list[Any] = [
    pytest.param("anthropic", "claude-sonnet-4-5-20250929", 200_000, id="by a dated name"),
    pytest.param("openai-chat", "gpt-4o", 128_000, id="by another name of the provider"),
    pytest.param("openai", "davinci", None, id="not listed"),
    pytest.param("openai", "my-own-model", None, id="an unknown model"),
    pytest.param("my-own-server", "gpt-4o", None, id="an unknown provider"),
]


@pytest.mark.parametrize(("provider", "model", "tokens"), WINDOWS)
def test_the_lists_know_what_a_model_can_hold(
    provider: str, model: str, tokens: int | None
) -> None:
    assert context_window(provider, model) == tokens
