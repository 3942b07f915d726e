# The network of DAFormer, its schedule and plain labels: baselines without adaptation. The data configs that inherit this
# give labels of the source or of the target domain, colours changed by MMSeg's PhotoMetricDistortion, as the baselines of
# lhoyer/DAFormer have it.
_base_ = [
    '../../_base_/models/daformer_mit-b5.py',
    '../../_base_/schedules/adamw_40k.py',
    '../../_base_/runtime.py',
]
model = dict(
    _delete_=True,
    type='dts.Supervised',
    student=_base_.model,
    criterion=dict(type='dts.CrossEntropy', avg_non_ignore=False),
)
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
auto_scale_lr = dict(base_batch_size=2)
default_hooks = dict(checkpoint=dict(save_best='student/mIoU'))
