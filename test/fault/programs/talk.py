"""A task with a long log."""
import flyte

env = flyte.TaskEnvironment(name="talk")


@env.task
async def talk(lines: int) -> int:
    for i in range(lines):
        print(f"line {i} " + "x" * 100)
    return lines
