"""Values of every kind that the SDK's type engine sends."""
import enum
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Optional, Union

import flyte
from pydantic import BaseModel

env = flyte.TaskEnvironment(name="types")


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Point:
    x: int
    y: float
    label: str


class Box(BaseModel):
    name: str
    corners: list[list[float]]


@env.task
async def echo_simple(i: int, f: float, s: str, b: bool, t: datetime, d: timedelta) -> tuple[
        int, float, str, bool, datetime, timedelta]:
    return i, f, s, b, t, d


@env.task
async def move(p: Point, by: float) -> Point:
    return Point(p.x + 1, p.y + by, p.label + "!")


@env.task
async def shrink(box: Box) -> Box:
    return Box(name=box.name.upper(), corners=[[v / 2 for v in c] for c in box.corners])


@env.task
async def other(c: Colour) -> Colour:
    return Colour.GREEN if c is Colour.RED else Colour.RED


@env.task
async def either(v: Union[int, str]) -> str:
    return f"{type(v).__name__}:{v}"


@env.task
async def maybe(v: Optional[int] = None) -> Optional[int]:
    return None if v is None else v + 1


@env.task
async def big(n: int) -> str:
    return "x" * n


@env.task
async def long_text(text: str) -> int:
    return len(text)


@env.task
async def all_types() -> str:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    i, f, s, b, t, d = await echo_simple(2**53, 0.1, "ünï", True, when, timedelta(seconds=90))
    assert (i, f, s, b, t, d) == (2**53, 0.1, "ünï", True, when, timedelta(seconds=90))
    p = await move(Point(1, 2.5, "p"), 0.25)
    assert p == Point(2, 2.75, "p!")
    box = await shrink(Box(name="b", corners=[[2.0, 4.0]]))
    assert box == Box(name="B", corners=[[1.0, 2.0]])
    assert await other(Colour.RED) is Colour.GREEN
    assert await either(3) == "int:3" and await either("3") == "str:3"
    assert await maybe(1) == 2 and await maybe(None) is None
    return "all equal"
