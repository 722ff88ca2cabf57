"""A tool that answers with a picture, which the model sees: python examples/images.py"""

import struct
import zlib

import anyio

from midstream import Agent, Image, tool
from midstream.events import TextDelta, ToolFinished
from midstream.messages import Text
from midstream.models.simulated import SimulatedModel
from midstream.simulator import Reply, Scenario, call, say


@tool(effects="read")
def swatch(red: int, green: int, blue: int) -> list[str | Image]:
    """A square of one colour. Words and pictures may stand side by side."""
    return [f"#{red:02x}{green:02x}{blue:02x}", Image(png(32, bytes((red, green, blue))))]


def png(size: int, pixel: bytes) -> bytes:
    rows = (b"\0" + pixel * size) * size
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


CALL = Reply([call("swatch", red=255, green=127, blue=80)])
SCRIPT = Scenario(replies=[CALL, Reply([say("That is coral.")])])


async def main() -> None:
    async with Agent(SimulatedModel(SCRIPT), tools=[swatch]).run("Show me #ff7f50.") as run:
        async for event in run:
            match event:
                case ToolFinished(output=(Text(words), Image(data, media_type))):
                    print(words, f"{media_type}, {len(data)} bytes")
                case TextDelta(text=text):
                    print(text, end="")
                case _:
                    pass
    print()


if __name__ == "__main__":
    anyio.run(main)
