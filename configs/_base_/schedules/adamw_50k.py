# 50 000 steps of AdamW as SegFormer is trained: linear warm-up, then linear decay, head at ten times the rate. The rate
# belongs to the global batch of auto_scale_lr (labelled and unlabelled images of all processes) and follows the one of
# the run; the log says so.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict(decode_head=dict(lr_mult=10.0))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1500, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=1500, end=50000, by_epoch=False),
]
train_cfg = dict(type='dts.TrainLoop', max_iters=50000, val_interval=2500)
val_cfg = dict(type='dts.ModelsValLoop', models=['student'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student'])
auto_scale_lr = dict(enable=True, base_batch_size=16)
final_test = True
