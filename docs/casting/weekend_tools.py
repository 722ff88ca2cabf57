"""The tools of the scene: slow services, as they are."""

import time

import anyio

from midstream import tool


@tool(effects="read")
def search_flights(to: str) -> dict[str, object]:
    """Flights to an airport."""
    time.sleep(2.2)
    return {"to": to, "friday": "21:40", "price_eur": 612}


@tool(effects="read")
async def get_weather(city: str) -> dict[str, object]:
    """The weather of a city."""
    await anyio.sleep(1.1)
    return {"city": city, "temp_c": 31, "conditions": "light rain"}


@tool(effects="read")
async def search_trains(start: str, end: str) -> dict[str, object]:
    """Trains between two cities."""
    await anyio.sleep(1.4)
    return {"start": start, "end": end, "leaves": "08:00", "arrives": "10:20"}
