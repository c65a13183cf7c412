"""Fitted encoders as plain facts and arrays, and back."""

from hcdv.encoder.state._convert import Own, from_state, to_state
from hcdv.encoder.state._fitted import check_fitted

__all__ = ["Own", "check_fitted", "from_state", "to_state"]
