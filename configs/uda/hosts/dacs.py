# DACS (Tranheden et al., WACV 2021): network, method and schedule; configs that inherit this add the data.
# An EMA teacher labels target images. Half of the classes of a source image are pasted onto each of them (ClassMix), their
# colours are changed, and the student learns source and mixed images; target pixels weigh as much as the share of pixels
# that the teacher is sure of.
_base_ = [
    '../../_base_/models/deeplabv2_r101.py',
    '../../_base_/schedules/sgd_250k.py',
    '../../_base_/runtime.py',
]
network = _base_.model
network.backbone.norm_cfg.requires_grad = False  # scale and shift stay those of the weights
network.decode_head.align_corners = True
# The released head returns within its loop over four branches: these two are summed, the others never learn.
network.decode_head.dilations = (6, 12)
model = dict(
    _delete_=True,
    type='dts.SelfTraining',
    student=network,
    # Ignored source pixels are left out of the mean; mixed images have none.
    criterion=dict(type='dts.CrossEntropy', avg_non_ignore=True),
    threshold=0.968,
    weighting='batch_fraction',
    color=dict(type='dts.ColorAugmentation', strength=0.25, adjustments='kornia'),
)
custom_hooks = [
    dict(type='dts.EmaTeacherHook', decay=0.99, batch_statistics=True),
    dict(type='dts.ClassCollapseHook', interval=500),
    dict(type='dts.StepPicturesHook', interval=5000),
]
sync_bn = 'torch'  # several processes share the statistics of BatchNorm
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
default_hooks = dict(checkpoint=dict(save_best='student/mIoU'))
