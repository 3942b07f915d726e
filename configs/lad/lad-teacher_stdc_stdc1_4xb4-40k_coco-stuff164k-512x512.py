# LAD (ECCV 2024), first stage: STDC1 on COCO-Stuff 164K, with labels beside the image. No score is published. Not run by us.
_base_ = [
    '../_base_/models/stdc1.py',
    '../_base_/datasets/coco_stuff164k.py',
    './hosts/teacher.py',
]
student = _base_.model
student.update(_base_.assistance)
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.decode_head.dropout_ratio = _base_.dropout_ratio
student.auxiliary_head = [dict(head, num_classes=_base_.num_classes) for head in student.auxiliary_head]
student.test_cfg = _base_.evaluation
model = dict(_delete_=True, student=student, **_base_.method)
