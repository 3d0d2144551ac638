"""What every section of the configuration is made of: a strict model, and figures as people write them."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from backstay.app.units import decimal, duration, fraction

type Amount = Annotated[Decimal, BeforeValidator(decimal), Field(gt=0)]
type Duration = Annotated[int, BeforeValidator(duration)]
type Share = Annotated[Decimal, BeforeValidator(fraction), Field(gt=0, lt=1)]
type Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """Unknown keys are errors, values do not change, and no message shows a value that was refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
