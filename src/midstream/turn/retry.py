"""When to ask again. Pure: no clock, no sleep, no randomness of its own."""

from msgspec import Struct

from midstream.errors import MidstreamError, ProviderError


class Backoff(Struct, frozen=True):
    """Exponential back-off with jitter. All delays are in seconds.

    Attributes:
        max_attempts: how often one turn is asked for, the first time included.
    """

    max_attempts: int = 5
    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, attempt: int, error: MidstreamError, jitter: float) -> float | None:
        """Seconds to wait after failed `attempt` (1 is the first), or None to give up.

        Args:
            jitter: a number in [0, 1), drawn by the caller; it takes off up to a quarter.
        """
        if not error.retryable or attempt >= self.max_attempts:
            return None
        if isinstance(error, ProviderError) and error.retry_after_s is not None:
            return error.retry_after_s
        doubled = self.base_s * 2.0 ** min(attempt - 1, 30)
        return min(self.cap_s, doubled) * (1.0 - 0.25 * jitter)
