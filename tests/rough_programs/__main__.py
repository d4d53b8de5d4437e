"""Runs some programs, one after another in one process: what one has left behind the next one finds."""

import faulthandler
import sys

from rough_programs.program import run

SECONDS = 60


def main() -> None:
    loop_name, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if loop_name == "ironloop":
        import ironloop

        make, install = ironloop.new_event_loop, ironloop.install
        install()
    else:
        import asyncio

        make = asyncio.SelectorEventLoop
    faulthandler.enable()
    # What they raise in destructors and callbacks is no news.
    sys.unraisablehook = lambda unraisable: None
    for seed in range(first, first + count):
        # Should it hang, or crash, this says which one it was.
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        print(seed, file=sys.stderr, flush=True)
        run(seed, make)
        faulthandler.cancel_dump_traceback_later()
    print("ran", count)


main()
