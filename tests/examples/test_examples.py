"""Every example runs, and prints what it is there to show."""

import json
import re
import struct
import zlib
from pathlib import Path

from tests.examples.conftest import EXAMPLES, load, run

QUESTION = "What's the weather in Lagos? Then write a haiku about it."


def example(name: str) -> str:
    return run(str(EXAMPLES / f"{name}.py"))


def moments(out: str) -> dict[str, float]:
    """What the effects example says, and when."""
    return {what: float(t) for t, what in re.findall(r"^ *([\d.]+) s  (.*)$", out, re.MULTILINE)}


def test_quickstart_streams_text_runs_tools_and_sums_up() -> None:
    out = example("quickstart")
    assert out.startswith("I'll ask for both cities")
    assert len(re.findall(r"\[(?:get_weather|local_time): 0\.[5-9] s\]", out)) == 4
    # A tool has finished before the reply that asked for it has.
    assert out.index("[get_weather") < out.index("have to count with")
    assert "light rain, 31 °C" in out
    assert re.search(r"^completed: \d+ tokens$", out, re.MULTILINE)


def test_steering_stops_the_answer_and_goes_on_with_the_new_words() -> None:
    out = example("steering")
    about_lisbon, about_porto = out.split("> No, about Porto.\n")
    assert 150 < len(about_lisbon) < 500
    assert about_porto == "Porto, then: six bridges and a river of wine.\ncompleted\n"


def test_effects_orders_the_tools_by_what_they_do() -> None:
    out = example("effects")
    order = [line.split("s  ")[1] for line in out.splitlines()]
    paid = order.index("✓ paid 100 to Ada")
    assert order.index("▶ pay") < paid < order.index("✓ paid 200 to Bo")
    assert order[paid + 1 :].count("▶ pay") == 1
    at = moments(out)
    assert at["▶ balance"] < at["▶ close_account"]
    assert order.index("✓ paid 200 to Bo") < order.index("▶ close_account")
    assert "… asking the bank" in order
    assert re.search(r"reserved 300 under key [0-9a-f]{6}…", out)


def test_images_sends_a_picture() -> None:
    assert re.fullmatch(r"#ff7f50 image/png, \d+ bytes\nThat is coral\.\n", example("images"))


def test_its_picture_is_a_png() -> None:
    data = load("images").png(2, b"\xff\x7f\x50")
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    rest, chunks = data[8:], dict[bytes, bytes]()
    while rest:
        size = int.from_bytes(rest[:4])
        kind, body, check = rest[4:8], rest[8 : size + 8], rest[size + 8 : size + 12]
        assert int.from_bytes(check) == zlib.crc32(kind + body)
        chunks[kind], rest = body, rest[size + 12 :]
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (2, 2)
    assert zlib.decompress(chunks[b"IDAT"]) == (b"\0" + b"\xff\x7f\x50" * 2) * 2


SCENARIO = """
[[reply]]
blocks = [
  { text = "Let me look. " },
  { call = "get_weather", input = { city = "Lagos" } },
  { call = "get_weather", input = { city = "Atlantis" } },
]

[[reply]]
blocks = [{ text = "{get_weather[0].conditions}, {get_weather[0].temp_c} degrees" }]
"""


def test_weather_is_a_tool_for_the_command_line(tmp_path: Path) -> None:
    script = tmp_path / "weather.toml"
    script.write_text(SCENARIO, "utf-8")
    tools = str(EXAMPLES / "weather.py")
    program = "from midstream.cli import main; main()"
    how = ["-t", tools, "-m", f"sim:{script}", "-o", "stream-json"]
    out = run("-c", program, QUESTION, *how)
    events = [json.loads(line) for line in out.splitlines()]
    lagos, atlantis = sorted(
        (each for each in events if each["type"] == "tool_finished"), key=lambda e: e["is_error"]
    )
    assert '"city":"Lagos"' in lagos["output"]
    assert "no report for 'Atlantis'; there are reports for Berlin" in atlantis["output"]
    assert events[-1]["text"] == "light rain, 31 degrees"


def test_the_model_is_told_what_a_city_is() -> None:
    spec = load("weather").get_weather.spec
    assert spec.input_schema["properties"]["city"] == {
        "type": "string",
        "description": 'Its name in English, such as "Lagos".',
    }


def test_a_users_own_tests_find_the_fixture() -> None:
    out = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLES / "testing_an_agent.py"))
    assert "2 passed" in out
