"""The page that shows what is guarded: a reader of records and views, served on a local port.

It may look and it may hand operator commands to the control port; it never touches the venue.
"""
