# LAD (ECCV 2024), second stage: DeepLabV3-R18 on Cityscapes; score of the paper not known to us. Not run by us.
_base_ = [
    '../_base_/models/deeplabv3_r18.py',
    '../_base_/datasets/cityscapes_labeled.py',
    './hosts/student.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.auxiliary_head.num_classes = _base_.num_classes
student.test_cfg = _base_.evaluation
model = dict(_delete_=True, student=student, **_base_.method)
teacher = 'lad-teacher_deeplabv3_r18_4xb4-40k_cityscapes-512x1024'
custom_hooks = [
    dict(
        type='dts.LabelAssistedTeacherHook',
        config=f'configs/lad/{teacher}.py',
        checkpoint=f'work_dirs/{teacher}/iter_40000.pth',
    )
]
