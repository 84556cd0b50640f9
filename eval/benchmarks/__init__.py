"""The benchmarks, one module each with a ``BENCHMARK`` (see ``eval.registry``)."""
