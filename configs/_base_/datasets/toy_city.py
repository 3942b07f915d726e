# Toy city at 128x256, 8 classes: labelled game -> unlabelled street images, val on street. Made on
# first use into `data_root`, 15 s (data/toy_city.md). Not below DTS_DATA_ROOT: that may be
# read-only.
dataset_type = 'dts.ToyCityDataset'
data_root = 'data/toy_city'
num_classes = 8
image_scale = (256, 128)  # width, height
crop_size = (128, 256)  # height, width

# 1 / ln(1.1 + p), p = share of the class in the pixels of the game train images (in %: 19.2, 8.2,
# 38.7, 10.7, 9.0, 9.5, 2.1, 2.6)
class_weight = [3.90, 5.97, 2.52, 5.33, 5.75, 5.61, 8.73, 8.43]

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
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(labeled=[weak_color, dict(type='PackSegInputs')])),
]
unlabeled_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
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
                look='game',
                split='train',
                data_root=data_root,
                pipeline=labeled_pipeline,
            ),
            unlabeled=dict(
                type=dataset_type,
                look='street',
                split='train',
                labeled=False,
                data_root=data_root,
                pipeline=unlabeled_pipeline,
            ),
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    # round_up=False: no image is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        look='street',
        split='val',
        data_root=data_root,
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
