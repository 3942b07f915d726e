# Toy city at 128x256, 8 classes: labelled game -> unlabelled street images, 400 each; made on first use into
# `data_root` (data/toy_city.md). Test: 100 street images; the 100 game images of val are scored too, as
# source/<network>/mIoU, and watched in validation: labels of the target are for the end.
dataset_type = 'dts.ToyCityDataset'
data_root = 'data/toy_city'
num_classes = 8
image_scale = (256, 128)  # width, height
crop_size = (128, 256)  # height, width
# For the sampler of methods that draw rare classes: 0.15 % of 128x256 pixels.
rare_class = dict(source=dict(temperature=0.01, min_pixels=50))

# As in camvid_day_to_dusk.py: for a source-only run with the colours of mixed images.
mix_color = dict(
    type='dts.Albumentations',
    transforms=[
        dict(type='ColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, hue=0.2, p=0.8),
        dict(type='GaussianBlur', sigma_limit=(0.15, 1.15), p=0.5),
    ],
)
source_only_branches = dict(labeled=[mix_color, dict(type='PackSegInputs')])

source_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='dts.LoadLabels'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
    # Without `rare_class` in the sampler this is RandomCrop.
    dict(type='dts.RareClassCrop', crop_size=crop_size, cat_max_ratio=0.75, min_pixels=25),
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(source=[dict(type='PackSegInputs')])),
]
target_pipeline = [
    dict(type='dts.LoadImage'),
    dict(type='RandomResize', scale=image_scale, ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=1.0),  # 1.0: no label is read
    dict(type='RandomFlip', prob=0.5),
    dict(type='dts.Branches', branches=dict(target=[dict(type='PackSegInputs')])),
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
    sampler=dict(type='dts.RatioSampler', batch=dict(source=4, target=4)),
    collate_fn=dict(type='dts.collate_branches'),
    dataset=dict(
        type='dts.StreamDataset',
        streams=dict(
            source=dict(
                type=dataset_type,
                look='game',
                split='train',
                data_root=data_root,
                pipeline=source_pipeline,
            ),
            target=dict(
                type=dataset_type,
                look='street',
                split='train',
                labeled=False,
                data_root=data_root,
                pipeline=target_pipeline,
            ),
        ),
    ),
)
source_test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
    # round_up=False: no image is counted twice when several processes share the set
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        look='game',
        split='val',
        data_root=data_root,
        test_mode=True,
        pipeline=eval_pipeline,
    ),
)
val_dataloader = source_test_dataloader
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    persistent_workers=False,
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
val_evaluator = dict(type='dts.SegmentationMetric')
test_evaluator = dict(type='dts.SegmentationMetric')
