"""A task of which launch forms are made: inputs of every kind, with defaults and without."""
import enum
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Optional, Union

import flyte
from pydantic import BaseModel

env = flyte.TaskEnvironment(name="forms")


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass
class Config:
    steps: int
    rate: float = 0.5
    names: list[str] = field(default_factory=list)
    more: dict = field(default_factory=dict)


class Model(BaseModel):
    layers: list[int]
    limit: Optional[timedelta] = None


@env.task
async def everything(
        count: int, config: Config, model: Model, either: Union[int, str, datetime], rate: float = 2.0, name: str = "n",
        on: bool = True, when: datetime = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc),
        span: timedelta = timedelta(hours=1, microseconds=1), size: Size = Size.LARGE, maybe: Optional[int] = None,
        perhaps: Optional[list[str]] = None, table: dict[str, list[int]] = {"a": [1]}, free: dict = {"x": [1, {"y": None}]},
        preset: Config = Config(7, 0.25, ["a"], {"k": 1})) -> str:
    """Says what it got, so that whole numbers and others can be told apart."""
    return repr((count, config, model, either, rate, name, on, when, span, size, maybe, perhaps, table, free, preset))
