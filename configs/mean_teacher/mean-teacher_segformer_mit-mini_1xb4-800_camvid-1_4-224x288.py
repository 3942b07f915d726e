# Mean Teacher with a SegFormer from scratch on 92 labelled CamVid frames. Scores: ../dual_teacher/README.md.
_base_ = ['../supervised/supervised_segformer_mit-mini_1xb4-800_camvid-1_4-224x288.py']
model = dict(type='dts.MeanTeacher', threshold=0.95, mix=dict(type='dts.CutMix'))
train_dataloader = dict(batch_size=8, sampler=dict(batch=dict(unlabeled=4)))
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.99)]
val_cfg = dict(models=['student', 'teacher'])
test_cfg = dict(models=['student', 'teacher'])
