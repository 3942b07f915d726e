# LAD (Qiu et al., ECCV 2024), first stage: a teacher that sees noisy labels of CamVid, all labels. Not scored by us yet, see README.md.
_base_ = ['../supervised/supervised_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
student = _base_.student
student.type = 'dts.LabelAssistedEncoderDecoder'
# Released: gaussian, drawn for every image. A run of this length does not learn to read those, see README.md.
# 100 and 3 grey levels, as released, over this network's deviation of 127.5.
student.codes = dict(type='dts.LabelCodes', family='one_hot', scale=0.784, pixel_sigma=0.0235)
student.stem_init = 0.1
# Of the released DeepLabV3. 0.1 makes two paths differ by their dropout more than by their codes.
student.decode_head.dropout_ratio = 0.01
model = dict(
    _delete_=True,
    type='dts.LabelAssistedTeacher',
    student=student,
    criterion=dict(type='dts.CrossEntropy', class_weight=_base_.class_weight),
)
train_dataloader = dict(dataset=dict(streams=dict(labeled=dict(ann_file='splits/all/train.txt'))))
custom_hooks = [dict(type='dts.LabelUseHook')]
# With labels it is an oracle: never a column of a comparison.
val_cfg = dict(models=['teacher_with_labels', 'teacher_blank_image', 'teacher_zeroed'])
test_cfg = dict(models=['teacher_with_labels', 'teacher_blank_image', 'teacher_zeroed'])
# Scores that read labels choose no checkpoint.
default_hooks = dict(checkpoint=dict(save_best=None))
