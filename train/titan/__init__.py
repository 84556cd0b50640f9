"""The adapter to torchtitan 0.3.0: the only package that imports it.

:mod:`train.titan.compat` repairs what stands between torchtitan and this machine and must be imported before
any module of torchtitan; everything else here is a component that torchtitan's trainer is built from.
"""
