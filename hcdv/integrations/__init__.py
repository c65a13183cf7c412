"""HCDV among other libraries, one module each: nothing of them is imported until its module is.

===================  =========================================================================
``row_game``         the game that a utility plays on rows, as a function of coalitions
``sklearn``          a classifier that is fitted on the rows that are worth it
``pydvl``            our utilities in pyDVL's valuations, results there and back
``shapiq``           our games as ``shapiq.Game`` (shapiq's go into :mod:`hcdv.shapley` as they are)
``opendataval``      HCDV as a ``DataEvaluator``
``cleanlab``         an issue of Datalab, "low_value"
``huggingface``      rows of a ``datasets.Dataset``
``torch``            rows of a PyTorch ``Dataset`` or ``DataLoader``
``run_log``          what a run was and what came of it, as JSON
``mlflow``           the same into an MLflow run
===================  =========================================================================

What each takes and gives, with an example: docs/integrations.md.
"""
