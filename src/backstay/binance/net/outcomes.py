"""What the gateway's calls end with; the words are the core's, so that the runtime knows them too."""

from backstay.core.outcomes import NotSent, Sent, VenueUnavailable

__all__ = ["NotSent", "Sent", "StreamLost", "VenueUnavailable"]


class StreamLost(VenueUnavailable):
    """The user data stream stayed away for longer than was to be waited: a reason to stop, with all state
    kept. Resting orders stay at the venue.
    """
