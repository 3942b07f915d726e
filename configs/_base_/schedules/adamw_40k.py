# 40 000 steps of AdamW as DAFormer, HRDA and MIC train (Hoyer et al.): head at ten times the rate; norms of the backbone
# without weight decay, those of the head with it, as there. The rate belongs to the global batch of auto_scale_lr (source
# and target images of all processes) and follows the one of the run; the log says so.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='dts.MergingOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
    paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys=dict(head=dict(lr_mult=10.0))),
)
# lr (1 - t / 40000) (1e-6 + (1 - 1e-6) min(1, t / 1500)) in step t: decay counts from step 0, under the warm-up.
# MMEngine reaches the last factor one step before `end`, hence 1501 and 40001.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=1501, by_epoch=False),
    dict(type='PolyLR', power=1.0, eta_min=0.0, begin=0, end=40001, by_epoch=False),
]
train_cfg = dict(type='dts.TrainLoop', max_iters=40000, val_interval=4000)
val_cfg = dict(type='dts.ModelsValLoop', models=['student'])
test_cfg = dict(type='dts.ModelsTestLoop', models=['student'])
auto_scale_lr = dict(enable=True, base_batch_size=4)
final_test = True
