# LAD (ECCV 2024), second stage: OCRNet-HR18 on ADE20K; score of the paper not known to us. Not run by us.
_base_ = [
    '../_base_/models/ocrnet_hr18.py',
    '../_base_/datasets/ade20k_labeled.py',
    './hosts/student.py',
]
student = _base_.model
student.data_preprocessor.size = _base_.crop_size
student.decode_head = [dict(head, num_classes=_base_.num_classes) for head in student.decode_head]
student.test_cfg = _base_.evaluation
logits = 'decode_head.1.conv_seg'  # of the second stage of the cascade
method = _base_.method
method.distill[0].update(student=logits, teacher=logits)
model = dict(_delete_=True, student=student, **method)
teacher = 'lad-teacher_ocrnet_hr18_4xb4-40k_ade20k-512x512'
custom_hooks = [
    dict(
        type='dts.LabelAssistedTeacherHook',
        config=f'configs/lad/{teacher}.py',
        checkpoint=f'work_dirs/{teacher}/iter_40000.pth',
    )
]
