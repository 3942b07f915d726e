# 400 steps of AdamW, for the real domain shifts at CPU scale.
_base_ = './adamw_800.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=25, end=400, by_epoch=False),
]
train_cfg = dict(max_iters=400, val_begin=1000)  # tested once, at the end
