"""What was said before, drawn again."""

from midstream.faces.terminal.paint import Paint
from midstream.faces.terminal.replay import replayed
from midstream.journal.database import Row
from midstream.journal.records import Ended, Prompted, Record, untold
from midstream.messages import Message, Text
from tests.faces.terminal.lines import SGR


def drawn(*records: Record) -> list[str]:
    rows = [Row(n, float(n), record) for n, record in enumerate(records, 1)]
    return [SGR.sub("", line) for line in replayed(rows, Paint(), 80).lines]


def test_what_is_in_doubt_and_not_in_the_answer_is_told() -> None:
    prompt = Prompted(Message("user", (Text("Pay."),)))
    effects = untold(["pay(amount=5): Outcome unknown", "wipe(): ran"])
    assert drawn(prompt, *effects, Ended("died"))[-3:] == [
        "■ the program died; what it had of the answer is kept",
        "✗ pay(amount=5): Outcome unknown",
        "✗ wipe(): ran",
    ]
    assert not any("pay" in line for line in drawn(prompt, *effects, Ended("cancelled")))
