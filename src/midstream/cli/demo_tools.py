"""What the script of the demo calls: two tools, as slow as real ones are."""

import datetime
import time
from zoneinfo import ZoneInfo

import anyio

from midstream.tools.tool import tool

SKIES = {
    "Lagos": (31, "light rain", 12),
    "Oslo": (4, "clear", 21),
}
ZONES = {"Lagos": "Africa/Lagos", "Oslo": "Europe/Oslo"}


@tool(effects="read")
async def get_weather(city: str) -> dict[str, object]:
    """Current weather for a city."""
    await anyio.sleep(0.9)  # a slow service
    temp_c, conditions, wind_kmh = SKIES.get(city, (20, "unknown", 0))
    return {"city": city, "temp_c": temp_c, "conditions": conditions, "wind_kmh": wind_kmh}


@tool(effects="read")
def local_time(city: str) -> dict[str, object]:
    """The time on the clocks of a city."""
    time.sleep(0.7)  # a plain function that blocks: it runs in a thread, and the text goes on
    now = datetime.datetime.now(ZoneInfo(ZONES.get(city, "UTC")))
    return {"city": city, "time": f"{now:%H:%M}", "utc_offset": f"{now:%z}"}


DEMO_TOOLS = (get_weather, local_time)
