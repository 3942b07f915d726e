# LAD (ECCV 2024), first stage: DeepLabV3-R18 on COCO-Stuff 10K, with labels beside the image. No score is published. Not run by us.
_base_ = [
    '../_base_/models/deeplabv3_r18.py',
    '../_base_/datasets/coco_stuff10k.py',
    './hosts/teacher.py',
]
student = _base_.model
student.update(_base_.assistance)
student.data_preprocessor.size = _base_.crop_size
student.decode_head.num_classes = _base_.num_classes
student.decode_head.dropout_ratio = _base_.dropout_ratio
student.auxiliary_head.num_classes = _base_.num_classes
student.test_cfg = _base_.evaluation
model = dict(_delete_=True, student=student, **_base_.method)
