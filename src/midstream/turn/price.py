"""What a turn cost, and how much a model can hold, by the public lists in `genai-prices`."""

from threading import Event

from midstream.messages import Usage

# What the price lists call them.
PRICED_AS = {"openai-chat": "openai", "gemini": "google", "xai": "x-ai"}

loaded = Event()  # the lists are there: a price takes 80 µs


def cost_usd(provider: str, model: str, usage: Usage) -> float | None:
    """The price in US dollars, or None where it is unknown: never 0 for "I do not know".

    The first call of a process loads the price lists; see `load_prices`.
    """
    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    counted = Counted(
        # There the input includes what was read from the cache and written to it; here it does not.
        input_tokens=usage.read,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
    )
    try:
        listed = PRICED_AS.get(provider, provider)
        return float(calc_price(counted, model_ref=model, provider_id=listed).total_price)
    except (LookupError, ValueError):  # an unknown model, or counts that cannot be
        return None


def context_window(provider: str, model: str) -> int | None:
    """The tokens that a conversation may have, answers included, or None where it is unknown."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        listed = PRICED_AS.get(provider, provider)
        _, found = get_snapshot().find_provider_model(model, None, listed, None)
    except LookupError:
        return None
    return found.context_window


def load_prices() -> None:
    """Load the price lists: some 200 ms of CPU, once in a process. To be called in a thread."""
    cost_usd("anthropic", "claude-sonnet-4-6", Usage(output_tokens=1))
    loaded.set()
