# 40 000 steps of SGD as CIRKD (Yang et al., CVPR 2022) trains and LAD after it: one rate, 0.02, for backbone and heads at a
# global batch of 16; all else as in sgd_40k.py.
_base_ = './sgd_40k.py'
optim_wrapper = dict(optimizer=dict(lr=0.02), paramwise_cfg=None)
train_cfg = dict(val_interval=4000)
