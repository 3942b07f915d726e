# A SegFormer of 0.8 M parameters, half as wide as B0, to train from scratch on CPU.
_base_ = './segformer_mit-b0.py'
model = dict(
    backbone=dict(embed_dims=16, init_cfg=None),
    decode_head=dict(in_channels=[16, 32, 80, 128], channels=64),
)
