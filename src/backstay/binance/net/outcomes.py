"""What the gateway's calls end with; the words are the core's, so that the runtime knows them too."""

from backstay.core.outcomes import NotSent, Sent, VenueUnavailable

__all__ = ["NotSent", "Sent", "VenueUnavailable"]
