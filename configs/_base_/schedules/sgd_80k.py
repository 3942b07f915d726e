# 80 000 steps of SGD with polynomial decay, MMSegmentation's schedule_80k: one rate for backbone and heads at a global
# batch of 8. The rate follows the batch of the run; the log says so.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(type='PolyLR', power=0.9, eta_min=1e-4, begin=0, end=80000, by_epoch=False)
]
train_cfg = dict(type='dts.TrainLoop', max_iters=80000, val_interval=8000)
val_cfg = dict(type='dts.ModelsValLoop', models=['student'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student'])
auto_scale_lr = dict(enable=True, base_batch_size=8)
final_test = True
