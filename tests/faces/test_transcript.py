"""A session as it is read afterwards."""

from midstream.faces.transcript import markdown, plain
from midstream.journal.records import (
    Approved,
    Committed,
    Discarded,
    Ended,
    Interrupted,
    Prompted,
    Record,
)
from midstream.messages import Message, Text, ToolCall, ToolResult

RULE = "rule run_command:ls"


def turn(call_id: str, command: str, output: str) -> Committed:
    call = ToolCall(call_id, "run_command", {"command": command})
    said = Message("assistant", (Text("I look."), call))
    return Committed(1, said, Message("user", (ToolResult(call_id, output),)))


RECORDS: list[Record] = [
    Approved(1, "a", "run_command", True, "user"),
    turn("a", "ls", "x"),
    Approved(2, "b", "run_command", False, "user", "not\nYet"),
    turn("b", "rm x", "Not run"),
    Approved(3, "c", "run_command", True, RULE),
    Discarded(3, 1, "cut"),
    turn("d", "ls", "x"),
    Approved(4, "a", "run_command", False, "nobody"),
    turn("a", "ls", "Not run"),
    Approved(5, "a", "run_command", True, "everything"),
    turn("a", "ls", "x"),
    turn("a", "ls", "x"),
]


def test_a_call_is_told_with_what_was_decided_of_it() -> None:
    calls = [each.splitlines()[1:-1] for each in plain(RECORDS) if "▶" in each]
    assert calls == [
        ["  ? allowed by the user"],
        ["  ? refused by the user: not Yet"],
        [],
        ["  ? refused, since nobody could be asked"],
        ["  ? allowed, as everything was"],
        [],
    ]


def test_what_was_decided_of_a_lost_call_is_told_before_the_turn() -> None:
    paragraphs = list(plain(RECORDS))
    at = paragraphs.index(f"[run_command: allowed by the {RULE}]")
    assert paragraphs[at + 1] == "I look."
    assert [each for each in paragraphs if each.startswith("[run_command")] == [paragraphs[at]]


def test_a_result_that_is_an_error_is_said_to_be_one() -> None:
    failed = Message("user", (ToolResult("a", "no such file", is_error=True),))
    asked = Message("assistant", (ToolCall("a", "run_command", {}),))
    (_, _, paragraph) = markdown("Title", [Committed(1, asked, failed)])
    assert "\nResult of `a`, which failed\n\n```\nno such file\n```" in paragraph


def test_a_markdown_file_tells_it_too() -> None:
    text = "\n\n".join(markdown("Title", RECORDS))
    assert "\n*Allowed by the user.*\n" in text
    assert "\n*Refused by the user: not Yet.*\n" in text


def test_what_was_decided_in_a_run_that_failed_is_not_told_of_a_call_with_the_same_id() -> None:
    records = [Approved(1, "a", "run_command", True, "user"), Ended("failed"), turn("a", "rm", "x")]
    decided, end, *told = plain(records)
    assert (decided, end) == ("[run_command: allowed by the user]", "[failed]")
    assert "allowed" not in str(told)
    assert "llowed" not in "".join(markdown("Title", records)).partition("Failed")[2]


def test_that_an_answer_was_stopped_is_told_behind_it() -> None:
    half = Committed(1, Message("assistant", (Text("We loo"),)), None, settled=True)
    asked = Prompted(Message("user", (Text("Hi"),)))
    records: list[Record] = [asked, Interrupted(1), half, Ended("cancelled")]
    assert list(plain(records)) == ["> Hi", "We loo", "[interrupted]", "[cancelled]"]
    assert list(markdown("Title", records))[1:] == [
        "## User", "Hi", "## Assistant", "We loo", "*Interrupted.*", "*Cancelled.*",
    ]  # fmt: skip
