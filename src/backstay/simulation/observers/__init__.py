"""One promise a file, each watched from outside: by the wire, the disk and what the venue knows.

An observer may read the product's own state only where the promise is about that state (a replay that equals
it); everything else it learns as a stranger would. `every.ALL` is the list of them.
"""
