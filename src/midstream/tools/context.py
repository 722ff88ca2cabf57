"""What a running tool may know and say about its own call."""

import math
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from anyio.lowlevel import checkpoint

from midstream.tools.output import valid_text


def _tell_nobody(message: str, fraction: float | None) -> None:
    pass


def _never() -> bool:
    return False


class ToolContext:
    """Take it as a parameter, annotated `ToolContext`; the model does not see that parameter.

    Attributes:
        call_id: the provider's id of this call; another one when the turn is asked for again.
        idempotency_key: the same for the same call however often it is tried: hand it to
            services that drop repeated requests.

    Args:
        tell: hands progress on; it may be called from any thread.
        cancelled: whether the call was stopped; it may be called from any thread.
    """

    def __init__(
        self,
        call_id: str,
        idempotency_key: str,
        *,
        tell: Callable[[str, float | None], None] = _tell_nobody,
        cancelled: Callable[[], bool] = _never,
    ) -> None:
        self.call_id = call_id
        self.idempotency_key = idempotency_key
        self._tell = tell
        self._cancelled = cancelled

    @property
    def cancelled(self) -> bool:
        """True once the call was cancelled or has timed out.

        A plain function runs in a thread, which nobody can stop: in a long loop it looks here.
        """
        return self._cancelled()

    def progress(self, message: str, fraction: float | None = None) -> Awaitable[None]:
        """Say how far the call has come, to the people who watch; the model is not told.

        It takes effect at once. An async tool may await it, which lets the stream go on and
        cancellation in; a plain function, being in a thread, only calls it.

        Args:
            fraction: of the work done, from 0 to 1; what lies outside is moved to the nearer.
        """
        if fraction is not None:
            fraction = None if math.isnan(fraction) else min(1.0, max(0.0, float(fraction)))
        self._tell(valid_text(str(message)), fraction)
        return _Told()


class _Told:
    """What `progress` returns. Unlike a coroutine it may be dropped without a warning."""

    def __await__(self) -> Generator[Any, Any, None]:
        return checkpoint().__await__()
