"""The whole system on virtual time, with faults drawn from a seed and observers that watch promises.

Here live the virtual machine that the product runs on (a disk, a wire, a clock, a power switch), the plans
of what goes wrong, the observers, the shrinker and the story of a failed run. Product code never learns that
it is being simulated, and nothing here decides anything about orders.
"""
