"""The small classifier beside the rules: what it learns from, how it is made, how it runs.

`examples` and `prepare` are shared; `train` needs the extra `model-build` and is called by
`xinqing risk-model train` only; `run` is what the service loads.
"""
