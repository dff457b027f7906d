"""A task with triggers: by the second, by the hour, by hand."""
from datetime import datetime

import flyte

always = flyte.Trigger(name="always", automation=flyte.Cron("@every 1s"), description="every second",
                       inputs={"when": flyte.TriggerTime, "text": "from the trigger"}, env_vars={"WHO": "always"},
                       auto_activate=False, labels={"kind": "test"})
hourly = flyte.Trigger(name="hourly", automation=flyte.Cron("0 * * * *", timezone="Europe/Berlin"),
                       inputs={"when": flyte.TriggerTime})
rate = flyte.Trigger(name="rate", automation=flyte.FixedRate(90), inputs={"text": "by rate", "when": datetime(2020, 1, 1)})
# Older SDKs have no trigger without a schedule.
NO_SCHEDULE = {} if hasattr(flyte.Trigger, "automation") else {"automation": flyte.Cron("0 0 1 1 *"), "auto_activate": False}
by_hand = flyte.Trigger(name="by-hand", inputs={"text": "by hand", "when": datetime(2021, 2, 3)}, **NO_SCHEDULE)

env = flyte.TaskEnvironment(name="triggered")


@env.task(triggers=(always, hourly, rate, by_hand))
def report(when: datetime, text: str = "a default", n: int = 7) -> str:
    import os

    return f"{when:%Y-%m-%dT%H:%M:%S} {text} {n} {os.environ.get('WHO', '')}"

