"""Names by which people and tables know positions and lots, ids that a command takes; counts in words."""

from backstay.core.types import PositionSide, Product, Scope


def counted(number: int, one: str, many: str = "") -> str:
    """`1 lot`, `2 lots`; where an s is not enough, `many` says it."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def position_name(scope: Scope, epoch: int) -> str:
    """`BTCUSDT-BOTH-3`: symbol, position side (`SPOT` for holdings), the how-manieth position it is there."""
    side = "SPOT" if scope.product is Product.SPOT else scope.position_side.value
    return f"{scope.symbol}-{side}-{epoch}"


def lot_name(symbol: str, trade_id: int) -> str:
    """`TRUMPUSDC-LOT-81`: symbol and the number of the trade that bought it."""
    return f"{symbol}-LOT-{trade_id}"


def scope_of_name(product: str, name: str) -> Scope:
    """The scope of a position's name. Raises ValueError for a name that `position_name` does not make."""
    symbol, side, _ = name.rsplit("-", 2)
    return Scope(Product(product), symbol, PositionSide.BOTH if side == "SPOT" else PositionSide(side))
