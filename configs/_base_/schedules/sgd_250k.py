# 250 000 steps of SGD with polynomial decay as DACS trains (Tranheden et al., WACV 2021): classifier at ten times the
# rate. The rate belongs to the global batch of auto_scale_lr, as in adamw_40k.py.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
# lr (1 - t / 250000) ** 0.9 in step t; `end` as in adamw_40k.py.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=250001, by_epoch=False)]
train_cfg = dict(type='dts.TrainLoop', max_iters=250000, val_interval=5000)
val_cfg = dict(type='dts.ModelsValLoop', models=['student'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student'])
auto_scale_lr = dict(enable=True, base_batch_size=4)
final_test = True
