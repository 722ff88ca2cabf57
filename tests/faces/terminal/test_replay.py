"""What was said before, drawn again."""

from midstream.faces.terminal.paint import Paint
from midstream.faces.terminal.replay import replayed
from midstream.journal.database import Row
from midstream.journal.records import Began, Discarded, Ended, Prompted, Record, untold
from midstream.messages import Message, Text, Usage
from tests.faces.terminal.lines import SGR


def drawn(*records: Record) -> list[str]:
    rows = [Row(n, float(n), record) for n, record in enumerate(records, 1)]
    return [SGR.sub("", line) for line in replayed(rows, Paint(), 80).lines]


def prompted(words: str) -> Prompted:
    return Prompted(Message("user", (Text(words),)))


def test_only_what_was_asked_again_is_said_to_be() -> None:
    refused, cut = Discarded(1, 1, "refused", Usage()), Discarded(1, 2, "cut", Usage())
    first = [prompted("Go."), Began(1, 1), refused]
    again = ["", "› Go.", "", "↻ asked again: refused"]
    assert drawn(*first, Began(1, 2), cut, Ended("failed", "cut")) == [*again, "", "failed: cut"]
    assert drawn(*first, Began(1, 2), Ended("cancelled")) == [*again, "■ stopped"]
    assert drawn(*first, Ended("cancelled"))[2:] == ["", "× refused", "■ stopped"]
    assert drawn(*first, prompted("Now?"))[2:] == ["", "× refused", "", "› Now?"]
    died = "■ the program died; what it had of the answer is kept"
    assert drawn(*first, Ended("died"))[2:] == ["", "× refused", died]


def test_what_is_in_doubt_and_not_in_the_answer_is_told() -> None:
    prompt = prompted("Pay.")
    effects = untold(["pay(amount=5): Outcome unknown", "wipe(): ran"])
    assert drawn(prompt, *effects, Ended("died"))[-3:] == [
        "■ the program died; what it had of the answer is kept",
        "✗ pay(amount=5): Outcome unknown",
        "✗ wipe(): ran",
    ]
    assert not any("pay" in line for line in drawn(prompt, *effects, Ended("cancelled")))
