"""The paper's tables and figures, our number beside the printed one.

    python -m bench.paper table1 --scale laptop

========================  ==================================================================
``retraining.py``         Tables 1 and 2: top 30%, stability, time (``_tasks.py``: data and
                          models; ``_clicks.py``, ``_convnet.py``: two of these;
                          ``_methods.py``: methods and budgets; ``_retraining_page.py``,
                          ``_retraining_verdicts.py``)
``opendataval.py``        Table 3: the protocol of ``bench.protocol`` (``_table3.py``: as printed)
``augmentation.py``       Figures 1 and 2: candidates beside Fashion-MNIST
                          (``_augmented.py``, ``_diffusion.py``, ``_candidates.py``,
                          ``_augmentation_page.py``, ``_augmentation_verdicts.py``)
``stream.py``             Figure 3: the stream of ``bench.streaming``
``marketplace.py``        Tables 4 and 5: five sellers of Adult rows (``_sellers.py``,
                          ``_buyer.py``, ``_marketplace_page.py``,
                          ``_marketplace_verdicts.py``)
``theory.py``             Proposition 1, Theorem 1, Eqs. 16-17 (``_concentration.py``,
                          ``_gap.py``, ``_cost.py``, ``_slopes.py``)
``_experiment.py``        what each of these is made of
``_store.py``             results as JSON, one cell after the other, so that a killed run goes on
``_verdicts.py``          what a claim of the paper comes to, in one word
``_summary.py``           the table of these at the top of the page
``_page.py``              docs/paper.md
========================  ==================================================================
"""
