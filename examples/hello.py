"""A first workflow: squares some numbers, each in an action of its own, and adds them up.

    flyte run --follow examples/hello.py main --n 8      or      python examples/hello.py
"""
import flyte

env = flyte.TaskEnvironment(name="hello")


@env.task
def square(x: int) -> int:
    return x * x


@env.task
def main(n: int = 8) -> str:
    with flyte.group("squares"):
        squares = list(flyte.map(square, range(n)))
    return f"The squares of 0 to {n - 1} are {squares}; their sum is {sum(squares)}."


if __name__ == "__main__":
    flyte.init_from_config()
    run = flyte.run(main, n=8)
    print(run.url)
    run.wait()
    print(run.outputs()[0])
