"""What work costs, counted instead of timed: the same on every machine, however busy it is."""

import sys

MONITOR = sys.monitoring
TOOL = MONITOR.PROFILER_ID
EVENTS = MONITOR.events
COUNTED = (EVENTS.PY_START, EVENTS.PY_RESUME, EVENTS.CALL, EVENTS.JUMP)
"""A function begins or goes on; anything is called; a loop goes round, that of a comprehension too."""


def steps_of(work):
    """How many calls and rounds of loops it takes. Loops in C (a sort, `in` on a list) count as one call."""
    steps = 0

    def step(*_where):
        nonlocal steps
        steps += 1

    MONITOR.use_tool_id(TOOL, "steps_of")
    try:
        for event in COUNTED:
            MONITOR.register_callback(TOOL, event, step)
        MONITOR.set_events(TOOL, sum(COUNTED))
        work()
    finally:
        MONITOR.set_events(TOOL, EVENTS.NO_EVENTS)
        for event in COUNTED:
            MONITOR.register_callback(TOOL, event, None)
        MONITOR.free_tool_id(TOOL)
    return steps
