# 40 000 steps of SGD with polynomial decay, as the UniMatch family trains CNNs. The rate belongs to the global batch
# of auto_scale_lr (labelled and unlabelled images of all processes) and follows the one of the run; the log says so.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0))),
)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=40000, by_epoch=False)]
train_cfg = dict(type='dts.TrainLoop', max_iters=40000, val_interval=2000)
val_cfg = dict(type='dts.ModelsValLoop', models=['student'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student'])
auto_scale_lr = dict(enable=True, base_batch_size=16)
final_test = True
