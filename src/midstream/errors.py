"""Everything that can go wrong on purpose.

    MidstreamError
    ├── ProviderError            the provider answered, and the answer was no
    ├── StreamError              the answer began and did not end well
    │   ├── StreamInterrupted    the connection failed, or closed before the turn did
    │   ├── StreamStalled        the connection is open and says nothing
    │   └── ProtocolError        bytes arrived that the protocol does not allow
    ├── NotCompacted             the model gave no summary of the conversation
    ├── ConfigurationError       no key, an unknown model, a setting that cannot be
    ├── SessionError             a session is in use elsewhere, or cannot be read or written
    └── EventsGone               a reader asked for events that are no longer held

Any other exception that escapes midstream is a bug in midstream.
"""

from typing import ClassVar


class MidstreamError(Exception):
    """Base of the tree above. `retryable` says whether the same request may be sent again."""

    retryable: bool = False


class ProviderError(MidstreamError):
    """The provider refused.

    Attributes:
        kind: the provider's own word for it, such as `overloaded_error`.
        status: the HTTP status; for an error inside a stream, the status it stands for.
        request_id: what to quote to the provider's support, if it gave one.
        retry_after_s: its own advice in seconds, if it gave any.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        status: int,
        request_id: str | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class StreamError(MidstreamError):
    """Asking again may help: every stream error is about this stream, not about the request."""

    kind: ClassVar[str] = "stream_error"
    retryable = True
    request_id: str | None = None  # as that of ProviderError, if the answer's head had it


class StreamInterrupted(StreamError):
    kind = "stream_interrupted"


class StreamStalled(StreamError):
    kind = "stream_stalled"


class ProtocolError(StreamError):
    kind = "protocol_error"


class NotCompacted(MidstreamError):
    """The conversation is as it was."""


class ConfigurationError(MidstreamError):
    """The message is one line that says what to do."""


class EventsGone(MidstreamError):
    """A reader asked for events older than the feed still holds."""


class SessionError(MidstreamError):
    """The message is one line.

    Attributes:
        kind: `session_busy`, `session_unreadable` or `session_not_saved`.
    """

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
