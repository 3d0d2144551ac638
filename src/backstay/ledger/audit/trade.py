"""One trade: a position from flat to flat, and what it brought. Figures are exact decimals."""

from decimal import Decimal

import msgspec

from backstay.core.types import ZERO, Product, TimeNs

OPEN, CLOSED, LEFT = "OPEN", "CLOSED", "LEFT"
"""LEFT: the ledger went on with another account before the trade ended."""


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """The signal that an entry was asked for on."""

    seq: int
    score: Decimal
    reason: str


class Trade(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Quantities in base units, prices and money in the margin asset unless an asset is named."""

    id: str
    product: str
    symbol: str
    position_side: str
    side: str
    """LONG or SHORT."""
    status: str = OPEN
    opened_at: TimeNs = 0
    """Venue time of the first fill."""
    opened_seq: int = 0
    """Record of the first fill."""
    closed_at: TimeNs = 0
    closed_seq: int = 0
    entry_quantity: Decimal = ZERO
    entry_value: Decimal = ZERO
    exit_quantity: Decimal = ZERO
    exit_value: Decimal = ZERO
    peak: Decimal = ZERO
    """The most that was held at one time."""
    entries: int = 0
    """Fills that made it larger."""
    exits: int = 0
    realized: Decimal = ZERO
    """As the venue reported it with the fills, without fees."""
    realized_of: Decimal = ZERO
    """Quantity of the closing fills that the venue reported it with."""
    fees: dict[str, Decimal] = {}
    """By asset."""
    converted: dict[str, Decimal] = {}
    """By asset: how much of `fees` a recorded price counts in the margin asset."""
    converted_to: Decimal = ZERO
    """What that is there, at the price of each fee's own time."""
    itemised: Decimal = ZERO
    """Quantity of the fills that were told one by one, each with its fee."""
    asset: str = ""
    """Margin asset: what fees, funding and results are counted in."""
    funding: Decimal = ZERO
    funding_shared: bool = False
    """Several cross positions were open: the venue does not say whose funding it was, it is shared out."""
    stop: Decimal | None = None
    """Trigger of its first stop: where the risk that R counts in was drawn."""
    reason_in: str = ""
    reason_out: str = ""
    opened_by: int = 0
    """Order of the first fill that is known."""
    closed_by: int = 0
    """Order of the last."""
    signal_seq: int = 0
    """Record of the score that it was entered on; 0: none."""
    score: Decimal | None = None
    guessed: Decimal = ZERO
    """Signed quantity that no known fill explains, only the position that the venue reported."""
    guess_price: Decimal = ZERO
    guess_at: TimeNs = 0
    guess_note: str = ""

    def guess(self, signed: Decimal, price: Decimal, at: TimeNs, note: str) -> None:
        """Remember what was taken over, with what still waits for its fills, at their common price."""
        before = self.guessed
        if before and (before > 0) is (signed > 0):
            price = (before * self.guess_price + signed * price) / (before + signed)
            signed += before
        self.guessed, self.guess_price = signed, price
        self.guess_at, self.guess_note = at, note

    def began(self, order_id: int, reason: str, plan: Plan | None) -> None:
        """An order made its first fill that is known."""
        self.opened_by, self.reason_in = order_id, reason
        if plan is not None:
            self.reason_in, self.signal_seq, self.score = f"signal: {plan.reason}", plan.seq, plan.score

    @property
    def is_complete(self) -> bool:
        """Closed, and nothing more of it can be told."""
        open_ends = self.guessed or self.fees_missing or self.realized_of < self.exit_quantity
        return self.status == CLOSED and not open_ends

    @property
    def sign(self) -> int:
        return 1 if self.side == "LONG" else -1

    @property
    def held(self) -> Decimal:
        """What is left of it, without sign."""
        return self.entry_quantity - self.exit_quantity

    @property
    def entry_price(self) -> Decimal | None:
        return self.entry_value / self.entry_quantity if self.entry_quantity else None

    @property
    def exit_price(self) -> Decimal | None:
        return self.exit_value / self.exit_quantity if self.exit_quantity else None

    @property
    def gross(self) -> Decimal:
        """Realised without fees and funding: the venue's figure, and by prices where it gave none."""
        if not self.entry_quantity or not self.exit_quantity:
            return self.realized
        if self.realized_of >= self.exit_quantity:
            return self.realized
        cost = self.entry_value / self.entry_quantity * self.exit_quantity
        return (self.exit_value - cost) * self.sign

    @property
    def fee(self) -> Decimal:
        """Fees in the margin asset: taken there, or counted there at a recorded price."""
        return self.fees.get(self.asset, ZERO) + self.converted_to

    @property
    def fees_missing(self) -> Decimal:
        """Quantity whose fills were only told of in a sum, without their fees. Lots know theirs."""
        if self.product == Product.SPOT.value:
            return ZERO
        return self.entry_quantity + self.exit_quantity - self.itemised - abs(self.guessed)

    @property
    def other_fees(self) -> dict[str, Decimal]:
        """Fees as they were taken in another asset."""
        return {asset: fee for asset, fee in sorted(self.fees.items()) if asset != self.asset and fee}

    @property
    def uncounted(self) -> dict[str, Decimal]:
        """Of `other_fees` what is not in `net`: no price of it was recorded in time."""
        rest = {asset: fee - self.converted.get(asset, ZERO) for asset, fee in self.other_fees.items()}
        return {asset: fee for asset, fee in rest.items() if fee}

    def charge(self, fee: Decimal, asset: str, price: Decimal | None) -> None:
        """A fee was taken; `price`: of its asset in the margin asset, None: not known."""
        self.fees = {**self.fees, asset: self.fees.get(asset, ZERO) + fee}
        if asset != self.asset and price is not None:
            self.converted = {**self.converted, asset: self.converted.get(asset, ZERO) + fee}
            self.converted_to += fee * price

    @property
    def net(self) -> Decimal:
        """Gross less `fee`, with funding."""
        return self.gross - self.fee + self.funding

    @property
    def risk(self) -> Decimal | None:
        """What the first stop would have lost of the largest size, before fees; None: no stop below it."""
        entry = self.entry_price
        if entry is None or self.stop is None or not self.peak:
            return None
        risk = (entry - self.stop) * self.sign * self.peak
        return risk if risk > 0 else None

    @property
    def r_multiple(self) -> Decimal | None:
        """Net result in units of `risk`; only of a closed trade."""
        risk = self.risk
        return self.net / risk if risk is not None and self.status == CLOSED else None
