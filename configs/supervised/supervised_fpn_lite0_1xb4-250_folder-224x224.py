# Supervised baseline on your own images: the labelled ones alone. Not measured: depends on your data.
_base_ = ['../mean_teacher/mean-teacher_fpn_lite0_1xb4-250_folder-224x224.py']
model = dict(_delete_=True, type='dts.Supervised', student=_base_.model.student)
train_dataloader = dict(batch_size=4, sampler=dict(batch=dict(unlabeled=0)))
custom_hooks = []
val_cfg = dict(models=['student'])
test_cfg = dict(models=['student'])
default_hooks = dict(checkpoint=dict(save_best='student/mIoU'))
