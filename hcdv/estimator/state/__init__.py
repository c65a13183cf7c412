"""A fitted model on disk: one folder of open formats that survives a crash at any byte."""

from hcdv.estimator.state.store import Store, load_model, save_model

__all__ = ["Store", "load_model", "save_model"]
