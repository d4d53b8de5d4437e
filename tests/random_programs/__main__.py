"""`python -m random_programs`: many programs; those that differ are shown, shrunk."""

from __future__ import annotations

import argparse
import sys

from random_programs.compare import difference
from random_programs.generate import generate
from random_programs.shrink import shrink
from random_programs.sides import on_asyncio, on_ironloop


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m random_programs", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--programs", type=int, default=1000, help="how many, each with the next seed")
    parser.add_argument("--most", type=int, default=3, help="stop after so many that differ")
    parser.add_argument("--log", action="store_true", help="print each program and the log of its run")
    parser.add_argument(
        "--stock", action="store_true", help="stock asyncio on both sides: a test of this test"
    )
    parser.add_argument("--as-it-is", action="store_true", help="do not shrink")
    options = parser.parse_args()
    right = on_asyncio if options.stock else on_ironloop
    differ = 0
    for seed in range(options.seed, options.seed + options.programs):
        program = generate(seed)
        if options.log:
            print(program, *on_asyncio(program).log, sep="\n")
        if (found := difference(program, right=right)) is None:
            continue
        differ += 1
        print(f"seed {seed}: {found}\n")
        if not options.as_it_is:
            program = shrink(program, lambda smaller: difference(smaller, right=right) is not None)
        print(f"{program}\n{difference(program, right=right)}\n", flush=True)
        if differ == options.most:
            break
    print(f"{seed + 1 - options.seed} programs, {differ} differ")
    return int(differ > 0)


sys.exit(main())
