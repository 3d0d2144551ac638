"""Recorded bars as a market for the live core: how bars move, how they fill, what a run came to.

Here is no strategy, no planner and no executor: the host that `app.backtesting` puts together runs the same
ones as the live program. Nothing here is read by it while it trades.
"""
