"""Runs one job where it is imported, so that processes forked from there find everything loaded."""

import gc
import tempfile
from pathlib import Path

from db.core.migration import migrate
from db.core.session import open_sessions
from tests.chaos.inputs import write_inputs
from tests.chaos.programs import SPEC, FaultPlan, World, run
from tests.factories import make_job

with tempfile.TemporaryDirectory() as name:
    world = World(f"sqlite:///{name}/warm.db", Path(name))
    write_inputs(world.inputs)
    migrate(world.database)
    sessions = open_sessions(world.database)
    run(world, FaultPlan(), make_job(sessions, SPEC).id, "warm")
    sessions.kw["bind"].dispose()

gc.collect()
gc.freeze()  # a garbage collection in a child would copy all these pages
