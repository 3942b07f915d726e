# SYNTHIA -> Cityscapes: 9400 labelled source images with 16 of the 19 classes; all else as in
# uda_gta_to_cityscapes_1024.py. Papers report mIoU16 and mIoU13; mIoU, the mean over 19, has three
# classes at 0. Choose checkpoints by save_best='student/mIoU16'.
_base_ = './uda_gta_to_cityscapes_1024.py'
source_root = '{{$DTS_DATA_ROOT:data}}/synthia'
source_scale = (2560, 1520)  # images of 1280x760
# fmt: off
classes_13 = [
    'road', 'sidewalk', 'building', 'traffic light', 'traffic sign', 'vegetation', 'sky', 'person',
    'rider', 'car', 'bus', 'motorcycle', 'bicycle',
]
# fmt: on
classes_16 = [*classes_13, 'wall', 'fence', 'pole']

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.source.type = 'dts.SynthiaDataset'
train_dataloader.dataset.streams.source.data_root = source_root
train_dataloader.dataset.streams.source.data_prefix.img_path = 'RGB'
train_dataloader.dataset.streams.source.data_prefix.seg_map_path = 'GT/LABELS'
train_dataloader.dataset.streams.source.pipeline[2].scale = source_scale
val_evaluator = dict(subsets=dict(mIoU16=classes_16, mIoU13=classes_13))
test_evaluator = dict(subsets=dict(mIoU16=classes_16, mIoU13=classes_13))
