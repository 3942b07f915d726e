# Supervised baseline on 12 labelled nuclei images. Scores, cost and commands: ../dual_teacher/README.md.
_base_ = ['../dual_teacher/dual-teacher_fpn_lite0_1xb4-250_nuclei-fluo-a-12-224x224.py']
model = dict(_delete_=True, type='dts.Supervised', student=_base_.student)
train_dataloader = dict(batch_size=4, sampler=dict(batch=dict(unlabeled=0)))
custom_hooks = []
val_cfg = dict(models=['student'])
test_cfg = dict(models=['student'])
