"""Makes programs up from seeds."""

from __future__ import annotations

from random import Random

from random_programs.operations import OPERATIONS
from random_programs.program import Body, OnError, Operation, Program

DEEPEST = 4
# What programs are about, in turn: half of what is done in one is about its focus. Where all comes as it
# comes, two operations on one barrier hardly ever meet.
FOCUSES = (
    None,
    "queues",
    "locks",
    "events",
    "conditions",
    "semaphores",
    "barriers",
    "groups",
    "combinators",
    "timeouts",
)
QUEUES = ("Queue", "Queue", "LifoQueue", "PriorityQueue", "middle", "heap")
ON_ERROR = [OnError.RAISE] * 6 + [OnError.CARRY_ON] * 12 + [OnError.STUBBORN] * 2


class _Maker:
    """Each program has its own taste: some operations it does not use at all; a few, or those of its focus,
    make up most of it.
    """

    def __init__(self, rng: Random, focus: str | None) -> None:
        self.rng = rng
        self._left = rng.choice((8, 15, 25, 40, 60) if focus is None else (15, 25, 40))
        self._depth = 0
        weights = {name: known.weight * rng.choice((0, 1, 1)) for name, known in OPERATIONS.items()}
        if focus is None:
            for name in rng.sample(list(weights), 5):
                weights[name] = 12 * OPERATIONS[name].weight
        else:
            weights |= {name: known.weight for name, known in OPERATIONS.items() if known.about == focus}
        weights["sleep"] = weights["sleep"] or 1
        weights["cancel"] = weights["cancel"] or 1
        self._all = _focused(weights, focus)
        helpful = {name: known.weight for name, known in OPERATIONS.items() if known.helps}
        self._helpful = _focused(helpful, focus)
        self._at_once = {name: weight for name, weight in self._all.items() if not OPERATIONS[name].is_async}

    def body(self, *, waits: bool) -> Body:
        if self._depth == DEEPEST:
            return Body()
        self._depth += 1
        longest = 6 if self._depth == 1 else 3
        weights = self._all if waits else self._at_once
        size = self.rng.randint(0 if self._depth > 1 else 2, longest)
        operations = [self._operation(weights) for _ in range(size) if self._left > 0]
        self._depth -= 1
        return Body(tuple(operations))

    def relief(self) -> Body:
        return Body(tuple(self._operation(self._helpful) for _ in range(self.rng.randint(1, 5))))

    def _operation(self, weights: dict[str, float]) -> Operation:
        self._left -= 1
        [name] = self.rng.choices(list(weights), list(weights.values()))
        arguments = tuple(argument.generate(self) for argument in OPERATIONS[name].arguments)
        return Operation(name, arguments, self.rng.choice(ON_ERROR))


def _focused(weights: dict[str, float], focus: str | None) -> dict[str, float]:
    """What is about the focus comes as often as all the rest."""
    about = {name: weight for name, weight in weights.items() if OPERATIONS[name].about == focus}
    if focus is None or not about:
        return weights
    factor = (sum(weights.values()) - sum(about.values())) / sum(about.values())
    return weights | {name: factor * weight for name, weight in about.items()}


def generate(seed: int) -> Program:
    """The program of a seed: always the same one for one series of Python."""
    rng = Random(seed)
    focus = FOCUSES[seed % len(FOCUSES)]
    maker = _Maker(rng, focus)
    copies = rng.choice((1, 1, 2))
    semaphores = [("Semaphore", rng.choice((0, 1, 2))), ("BoundedSemaphore", rng.choice((1, 2)))]
    rng.shuffle(semaphores)
    tasks = [maker.body(waits=True)]
    for _ in range(rng.randint(1, 4)):
        # A crowd does the same.
        tasks.append(tasks[-1] if rng.random() < 0.4 else maker.body(waits=True))
    return Program(
        tasks=tuple(tasks),
        reliefs=tuple(maker.relief() for _ in range(rng.choice((0, 2, 5, 8)))),
        queues=tuple((rng.choice(QUEUES), rng.choice((0, 0, 1, 1, 2))) for _ in range(copies)),
        semaphores=tuple(semaphores[:copies]),
        barriers=(rng.choice((1, 2, 2, 3)),),
        copies=copies,
        debug=rng.random() < 0.1,
    )
