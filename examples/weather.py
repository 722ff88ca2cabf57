"""A tool for the command line:

midstream "What's the weather in Lagos? Then write a haiku about it." -t examples/weather.py
"""

import anyio

from midstream import tool

# Temperature in °C, conditions, wind in km/h: invented, and plausible for November.
REPORTS = {
    "berlin": (6, "overcast", 14),
    "lagos": (31, "light rain", 12),
    "lima": (19, "cloudy", 16),
    "oslo": (1, "clear", 21),
    "sydney": (22, "sunny", 24),
    "tokyo": (13, "sunny", 9),
}


@tool(effects="read")
async def get_weather(city: str) -> dict[str, object]:
    """Current weather for a city.

    Args:
        city: Its name in English, such as "Lagos".
    """
    await anyio.sleep(0.8)  # as slow as a real service
    if city.strip().lower() not in REPORTS:
        known = ", ".join(name.title() for name in REPORTS)
        raise LookupError(f"no report for {city!r}; there are reports for {known}")
    temp_c, conditions, wind_kmh = REPORTS[city.strip().lower()]
    return {"city": city, "temp_c": temp_c, "conditions": conditions, "wind_kmh": wind_kmh}
