"""Refusals as the venue words them: code, message, HTTP status (`binance-errors.md`)."""

from typing import Any


class Refusal(Exception):
    """The venue's refusal of one request. `code` is stable, `msg` is for people, `status` the HTTP status.

    `data`: what the error object carries besides, e.g. both halves of a Spot cancel-replace.
    """

    def __init__(self, code: int, msg: str, status: int = 400, data: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data


MESSAGES: dict[int, str] = {
    -1102: "Mandatory parameter '{0}' was not sent, was empty/null, or malformed.",
    -1106: "Parameter '{0}' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1122: "Invalid symbol status.",
    -1126: "Asset is not supported.",
    -1127: "More than {0} days between startTime and endTime.",
    -1128: "Combination of optional parameters invalid.",
    -1130: "Data sent for parameter '{0}' is not valid.",
    -1136: "Invalid newOrderRespType.",
    -1023: "Start time is greater than end time.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2024: "Position is not sufficient.",
    -2025: "Reach max open order limit.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4001: "Price less than 0.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than or equal to zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4006: "Stop price less than zero.",
    -4007: "Stop price greater than max price.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid. It should match ^[\\.A-Z\\:/a-z0-9_-]{{1,36}}$ "
    "and be less than 36 chars.",
    -4016: "Limit price can't be higher than {0}.",
    -4021: "{0} is not valid depth limit",
    -4023: "Qty not increased by step size.",
    -4024: "Limit price can't be lower than {0}.",
    -4028: "Leverage {0} is not valid",
    -4031: "Invalid working type.",
    -4032: "Exceed maximum cancel order size.",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4049: "Add margin only support for isolated position.",
    -4050: "Cross balance insufficient.",
    -4051: "Isolated balance insufficient.",
    -4054: "Cannot add position margin: position is 0.",
    -4055: "Amount must be positive.",
    -4059: "No need to change position side.",
    -4060: "Invalid position side.",
    -4061: "Order's position side does not match user's setting.",
    -4062: "Invalid or improper reduceOnly value.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4082: "Invalid number of batch place orders.",
    -4087: "User can only place reduce only order.",
    -4088: "User can not place order currently.",
    -4116: "ClientOrderId is duplicated.",
    -4117: "Stop order is in triggering, please try again later.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    -4130: "An open stop or take profit order with GTE and closePosition in the direction is existing.",
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4135: "Invalid activation price.",
    -4136: "Target strategy invalid for orderType '{0}',closePosition '{1}'.",
    -4137: "Quantity must be zero with closePosition equals true.",
    -4138: "Reduce only must be true with closePosition equals true.",
    -4140: "Invalid symbol status for opening position.",
    -4141: "Symbol is closed.",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4164: "Order's notional must be no smaller than {0} (unless you choose reduce only).",
    -4165: "Invalid time interval.",
    -4167: "Unable to adjust to Multi-Assets mode with symbols of USD-M Futures under isolated-margin mode.",
    -4168: "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    -4169: "Unable to adjust Multi-Assets Mode with insufficient margin balance in USD-M Futures.",
    -4170: "Unable to adjust Multi-Assets Mode with open orders in USD-M Futures.",
    -4171: "Adjusted asset mode is currently set and does not need to be adjusted repeatedly.",
    -4172: "Unable to adjust Multi-Assets Mode with a negative wallet balance of margin available asset.",
    -4183: "Limit price can't be higher than {0}.",
    -4184: "Limit price can't be lower than {0}.",
    -4210: "Stop price can't be higher than {0}.",
    -4211: "Stop price can't be lower than {0}.",
    -4400: "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, "
    "please try again later.",
    -4401: "Only reduceOnly orders are allowed for accounts with large positions.",
    -4509: "Time in Force (TIF) GTE can only be used with open positions. "
    "Please ensure that positions are available.",
    -4517: "Symbol is under position control, only reduceOnly orders are allowed.",
    -4518: "Symbol is under position control, only reduceOnly buy orders are allowed.",
    -4519: "Symbol is under position control, only reduceOnly sell orders are allowed.",
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected. "
    "The order will not be recorded in the order history.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history.",
    -5024: "Symbol is not in trading status. Order amendment is not permitted.",
    -5025: "Only limit order is supported.",
    -5026: "Exceed maximum modify order limit.",
    -5027: "No need to modify the order.",
    -5029: "Order's notional must be no smaller than {0} after modification.",
    -5037: "Invalid price match type.",
    -5038: "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT.",
    -5039: "Invalid self trade prevention mode.",
    -5040: "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller "
    "than 253402300799000.",
    -5041: "No depth matches this BBO order.",
    -5043: "A pending modification already exists for this order.",
    -5047: "The order is not reduce only; reduceOnly=true cannot be sent.",
}


def refusal(code: int, *details: object, status: int = 400) -> Refusal:
    """The refusal with the venue's usual text for `code`; `details` fill its placeholders."""
    return Refusal(code, MESSAGES[code].format(*details), status)
