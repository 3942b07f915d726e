# CamVid at 240x320, 11 classes: labelled and unlabelled train frames, val, test (data/README.md).
# Another split: set `ann_file` of both streams, in a config that inherits this one or by
# --cfg-options train_dataloader.dataset.streams.{labeled,unlabeled}.ann_file=... (once for each).
dataset_type = 'dts.CamVidDataset'
data_root = '{{$DTS_DATA_ROOT:data}}/camvid'
split = 'splits/semi/1_32/seed0'  # of 1_{64,32,16,8,4,2}/seed{0,1,2}
num_classes = 11
image_scale = (320, 240)  # width, height
crop_size = (224, 288)  # height, width

# 1 / ln(1.1 + p), p = share of the class in the pixels of all train frames (in %:
# 16.9, 23.3, 1.0, 31.7, 4.5, 9.7, 1.2, 1.1, 5.9, 0.6, 0.3)
class_weight = [4.20, 3.48, 9.58, 2.87, 7.39, 5.56, 9.42, 9.50, 6.78, 9.93, 10.20]

weak_color = dict(
    type='dts.Albumentations',
    transforms=[
        dict(type='RandomBrightnessContrast', brightness_limit=0.2, contrast_limit=0.2, p=0.5)
    ],
)
# The strong view of UniMatch (Yang et al., CVPR 2023), without its CutMix.
strong_color = dict(
    type='dts.Albumentations',
    transforms=[
        dict(type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25, p=0.8),
        dict(type='ToGray', p=0.2),
        dict(type='GaussianBlur', sigma_limit=(0.1, 2.0), p=0.5),
    ],
)

labeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(labeled=[weak_color, dict(type='PackSegInputs')])),
]
unlabeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='dts.Branches',
        branches=dict(
            unlabeled_weak=[weak_color, dict(type='PackSegInputs')],
            unlabeled_strong=[strong_color, dict(type='PackSegInputs')],
        ),
    ),
]
eval_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='PackSegInputs'),
]
# What mmseg.apis.inference_model runs on an image of yours.
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='dts.RatioSampler', batch=dict(labeled=4, unlabeled=4)),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            labeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'{split}/labeled.txt',
                data_prefix=dict(img_path='img_dir/train', seg_map_path='ann_dir/train'),
                pipeline=labeled_pipeline,
            ),
            unlabeled=dict(
                type=dataset_type,
                data_root=data_root,
                ann_file=f'{split}/unlabeled.txt',
                data_prefix=dict(img_path='img_dir/train'),
                pipeline=unlabeled_pipeline,
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    # round_up=False: no frame is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/all/val.txt',
        data_prefix=dict(img_path='img_dir/val', seg_map_path='ann_dir/val'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='splits/all/test.txt',
        data_prefix=dict(img_path='img_dir/test', seg_map_path='ann_dir/test'),
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
