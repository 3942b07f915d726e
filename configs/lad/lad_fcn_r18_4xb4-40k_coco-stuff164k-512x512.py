# LAD (ECCV 2024), second stage: FCN-R18 on COCO-Stuff 164K; score of the paper not known to us. Not run by us.
_base_ = [
    '../_base_/models/fcn_r18.py',
    '../_base_/datasets/coco_stuff164k.py',
    './hosts/student.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.auxiliary_head.num_classes = _base_.num_classes
student.test_cfg = _base_.evaluation
model = dict(_delete_=True, student=student, **_base_.method)
teacher = 'lad-teacher_fcn_r18_4xb4-40k_coco-stuff164k-512x512'
custom_hooks = [
    dict(
        type='dts.LabelAssistedTeacherHook',
        config=f'configs/lad/{teacher}.py',
        checkpoint=f'work_dirs/{teacher}/iter_40000.pth',
    )
]
