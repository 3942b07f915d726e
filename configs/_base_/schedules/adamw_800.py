# 800 steps of AdamW at CPU scale: a pretrained backbone at a quarter of the head's rate.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(decode_head=dict(lr_mult=4.0), neck=dict(lr_mult=4.0)),
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=50, end=800, by_epoch=False),
]
train_cfg = dict(type='dts.TrainLoop', max_iters=800, val_interval=800)
val_cfg = dict(type='dts.ModelsValLoop', models=['student'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student'])
# Test the final networks after training and write <work dir>/test.json.
final_test = True
