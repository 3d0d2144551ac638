"""What can be wrong with the request for a simulation."""


class SimulationError(ValueError):
    """A seed range, scenario, fault plan or corpus that cannot be run: what, where, what to do."""

    exit_code = 2
