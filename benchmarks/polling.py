"""Put load on the service and on Flower from many callers: `python -m benchmarks.polling`.

The service and the callers share the same cores. Parts:

a. Each poller requests a job every two seconds with the last ETag that it received, and streams
   read events, while a job is renamed every half second. All callers start within two seconds;
   the first request of each poller has no ETag.
b. The same number of pollers, without streams or renames: alternately on the service and on
   Flower's task endpoint.
c. Conditional requests at a constant rate; each response time counts from when the request was due.
d. Many streams of one job.
e. The load of part a while a worker prunes on the same cores: first the pollers only, then the
   pollers with the streams and renames.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.load.callers import SETTLED_AFTER_S
from benchmarks.load.parts import MANY_DESCRIPTORS, PARTS, Part
from benchmarks.load.processes import limit_descriptors
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"
SHORTEST_S = 4 * SETTLED_AFTER_S


def main() -> None:
    """Measure and print JSON; if all parts ran, write JSON and Markdown to `benchmarks/results`."""
    given = _arguments()
    limit_descriptors(MANY_DESCRIPTORS)
    started, parts = time.monotonic(), {}
    for name in given.only:
        parts[name] = PARTS[name](given)
        print(parts[name].markdown(), file=sys.stderr, flush=True)
    report = {
        "machine": machine(),
        "protocol": {name: value for name, value in vars(given).items() if name != "only"},
        "seconds": round(time.monotonic() - started),
        "figures": {name: part.rows for name, part in parts.items()},
    }
    if given.only == list(PARTS):
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "polling.json").write_text(json.dumps(report, indent=2) + "\n")
        (RESULTS / "polling.md").write_text(_markdown(list(parts.values()), report))
    print(json.dumps(report))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.polling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pollers", type=int, default=500)
    parser.add_argument("--streams", type=int, default=200, help="beside the pollers")
    parser.add_argument("--seconds", type=_seconds, default=40, help="of a, and of b's and e's two")
    parser.add_argument("--rate", type=float, default=2000, help="requests a second in c")
    parser.add_argument("--rate-seconds", type=float, default=30, help="of that rate")
    parser.add_argument("--step-seconds", type=float, default=5, help="of other rates, to compare")
    parser.add_argument("--many-streams", type=int, default=1000, help="streams in d")
    parser.add_argument("--events", type=int, default=100, help="events in d")
    parser.add_argument(
        "--only", type=_names, default=list(PARTS), help="as a,c: only these, and write no file"
    )
    return parser.parse_args()


def _seconds(text: str) -> float:
    if (seconds := float(text)) < SHORTEST_S:
        raise argparse.ArgumentTypeError(f"at least {SHORTEST_S:g}: callers begin in the first six")
    return seconds


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}: choose of {[*PARTS]}")
    return names


def _markdown(parts: list[Part], report: dict[str, Any]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    how = ", ".join(f"{name} {value:g}" for name, value in report["protocol"].items())
    note = (
        "The service and the callers share the same cores. Milliseconds count from the moment when "
        f"a request is due. Measured in {report['seconds']} s on: {where}. {how}.\n"
    )
    return "\n".join([*(part.markdown() for part in parts), note])


if __name__ == "__main__":
    main()
