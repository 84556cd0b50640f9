"""The model in plain PyTorch: what checkpoints are checked against, on any machine that has torch.

It is written for reading and for checking. Training on many GPUs goes through ``train.titan``.
"""
