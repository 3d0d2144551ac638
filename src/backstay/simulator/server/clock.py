"""Venue time as a function of host time: an offset and a speed, both changed by the control side."""

from fractions import Fraction


class VenueClock:
    """Maps host nanoseconds to venue nanoseconds and back. Starts as the identity, or at `start` on first
    use.
    """

    def __init__(self) -> None:
        self._host = 0
        self._venue = 0
        self.speed = Fraction(1)
        self._real = True
        """As fast as the host's clock: whole numbers will do."""

    def venue(self, host: int) -> int:
        if self._real:
            return self._venue + host - self._host
        return self._venue + int((host - self._host) * self.speed)

    def host(self, venue: int) -> int:
        """The first host nanosecond at which venue time is at least `venue`."""
        if self._real:
            return self._host + venue - self._venue
        span = Fraction(venue - self._venue) / self.speed
        return self._host + -(-span.numerator // span.denominator)

    def advance(self, ns: int) -> None:
        """Jump ahead. Negative steps are refused: venue time never goes back."""
        if ns < 0:
            raise ValueError("the venue's clock cannot go back")
        self._venue += ns

    def start_at(self, venue: int, host: int) -> None:
        """From now (`host`) venue time is `venue`."""
        self._host, self._venue = host, venue

    def set_speed(self, speed: Fraction, now: int) -> None:
        """Run `speed` times as fast from venue time `now` on."""
        if speed <= 0:
            raise ValueError("the speed of the venue's clock must be above 0")
        self._host, self._venue = self.host(now), now
        self.speed = speed
        self._real = speed == 1
